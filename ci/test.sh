#!/usr/bin/env bash
# The whole suite, as the README gives it. From any folder; needs a Rust toolchain and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo xtask test "$@"
