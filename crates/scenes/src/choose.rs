//! Choosing scenes and platforms by name. A name that matches nothing is an error that lists what there is.

use core::fmt;

use prewire::PLATFORMS;

use crate::list;
use crate::scene::{Platform, Scene};

/// Every platform that scenes run on.
#[must_use]
pub fn platforms() -> &'static [Platform] {
    const ALL: [Platform; PLATFORMS.len()] =
        [Platform { name: PLATFORMS[0] }, Platform { name: PLATFORMS[1] }];
    &ALL
}

/// A name that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    what: &'static str,
    name: String,
    known: Vec<&'static str>,
    /// Why a platform that exists cannot be used.
    why: Option<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => f.write_str(why),
            None => {
                write!(f, "no {} is called {:?}; there are: {}", self.what, self.name, self.known.join(", "))
            }
        }
    }
}

impl core::error::Error for Unknown {}

impl Platform {
    /// The platform of this name.
    ///
    /// # Errors
    ///
    /// [`Unknown`], with the names that exist.
    pub fn named(name: &str) -> Result<Self, Unknown> {
        platforms().iter().find(|platform| platform.name == name).copied().ok_or_else(|| Unknown {
            what: "platform",
            name: name.to_owned(),
            known: platforms().iter().map(|platform| platform.name).collect(),
            why: match prewire::platform(name) {
                Err(error @ prewire::Error::NoDriver { .. }) => Some(error.to_string()),
                _ => None,
            },
        })
    }
}

/// The scenes that match any of `globs`, in the order of [`list`]; all of them if there is no glob. A `*` stands for
/// any characters.
///
/// # Errors
///
/// [`Unknown`] for the first glob that matches no scene.
pub fn select(globs: &[String]) -> Result<Vec<Scene>, Unknown> {
    for glob in globs {
        if !list().iter().any(|scene| matches(glob, scene.name)) {
            return Err(Unknown {
                what: "scene",
                name: glob.clone(),
                known: list().iter().map(|scene| scene.name).collect(),
                why: None,
            });
        }
    }
    let wanted = |scene: &&Scene| globs.is_empty() || globs.iter().any(|glob| matches(glob, scene.name));
    Ok(list().iter().filter(wanted).copied().collect())
}

/// Whether `name` is what `glob` describes.
fn matches(glob: &str, name: &str) -> bool {
    match glob.split_once('*') {
        None => glob == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            (0..=tail.len()).filter(|&at| tail.is_char_boundary(at)).any(|at| matches(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, select};
    use crate::scene::Platform;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (glob, name, expected) in [
            ("gemm", "gemm", true),
            ("gemm", "gemms", false),
            ("*", "", true),
            ("paged*", "paged_attention", true),
            ("*attention*", "paged_attention_manual", true),
            ("*_a*_m*", "paged_attention_manual", true),
            ("*manual*x", "paged_attention_manual", false),
            ("p*d", "paged_attention", false),
        ] {
            assert_eq!(matches(glob, name), expected, "{glob} {name}");
        }
    }

    #[test]
    fn a_name_that_matches_nothing_is_told_what_there_is() {
        let error = select(&["gemm".into(), "gem".into()]).unwrap_err().to_string();
        assert!(error.starts_with("no scene is called \"gem\"; there are: vector, gemm,"), "{error}");
        let error = Platform::named("a2a3s").unwrap_err().to_string();
        assert_eq!(error, "no platform is called \"a2a3s\"; there are: a2a3sim, a5sim");
        let error = Platform::named("a2a3").unwrap_err().to_string();
        assert!(error.ends_with("use the simulator of the same chip, platform a2a3sim"), "{error}");
    }

    #[test]
    fn scenes_come_in_the_order_of_the_list_and_once() {
        let names: Vec<_> = select(&["vec*".into(), "*m".into(), "gemm".into()])
            .unwrap()
            .iter()
            .map(|scene| scene.name)
            .collect();
        assert_eq!(names, ["vector", "gemm"]);
        assert_eq!(select(&[]).unwrap().len(), crate::list().len());
    }
}
