#!/usr/bin/env bash
# The whole suite in a fresh clone of the last commit: what a new machine would see. The clone is removed afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
clone=$(mktemp -d)
trap 'rm -rf "$clone"' EXIT
git clone --quiet . "$clone/prewire"
"$clone/prewire/.ci/run"
