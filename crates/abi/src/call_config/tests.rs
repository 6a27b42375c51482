//! Configurations: the layout, each range, and bytes at random.

use super::*;
use alloc::string::ToString;
use alloc::vec::Vec;
use proptest::prelude::*;

#[test]
fn the_default_is_valid_and_all_zero() {
    let config = CallConfig::default();
    config.validate().unwrap();
    assert!(bytemuck::bytes_of(&config).iter().all(|&b| b == 0));
}

#[test]
fn fields_are_where_the_layout_says() {
    let mut config = CallConfig::default();
    config.set_aicpu_thread_num(3);
    for (level, diagnostic) in (10..).zip(Diagnostic::ALL) {
        config.set_diagnostic(diagnostic, level);
    }
    let env =
        RuntimeEnv { ring_task_window: [4, 8, 16, 32], ring_heap: [1024; 4], ring_dep_pool: [5, 6, 7, 8] };
    config.set_runtime_env(env);
    config.set_output_prefix("x").unwrap();
    config.validate().unwrap();
    let bytes = bytemuck::bytes_of(&config);
    let words: Vec<i32> = (0..6).map(|i| crate::bytes::i32_at(bytes, i * 4).unwrap()).collect();
    assert_eq!(words, [3, 10, 11, 12, 13, 14]);
    assert_eq!(crate::bytes::u64_at(bytes, 24 + 8), Some(8));
    assert_eq!(crate::bytes::u64_at(bytes, 24 + 64 + 24), Some(8));
    assert_eq!(&bytes[120..122], b"x\0");
    assert_eq!((config.runtime_env(), CallConfig::read(bytes)), (env, Ok(config)));
}

#[test]
fn one_thread_is_too_few() {
    for (threads, good) in
        [(0, true), (1, false), (2, true), (i32::MAX, true), (-1, false), (i32::MIN, false)]
    {
        let mut config = CallConfig::default();
        config.set_aicpu_thread_num(threads);
        assert_eq!(config.validate().is_ok(), good, "{threads}");
    }
}

#[test]
fn each_diagnostic_needs_a_prefix() {
    for diagnostic in Diagnostic::ALL {
        let mut config = CallConfig::default();
        config.set_diagnostic(diagnostic, -1);
        let error = config.validate().unwrap_err();
        assert_eq!(error, ConfigError::NoPrefix { diagnostic });
        assert!(error.to_string().contains(diagnostic.name()));
    }
}

#[test]
fn ring_sizes_have_their_ranges_in_every_ring() {
    const MAX: u64 = i32::MAX as u64;
    type Field = fn(&mut RuntimeEnv) -> &mut [u64; 4];
    let table: [(Field, &[u64], &[u64]); 3] = [
        (|e| &mut e.ring_task_window, &[0, 4, 1 << 30], &[1, 2, 3, 5, 1 << 31, u64::MAX]),
        (|e| &mut e.ring_heap, &[0, 1024, u64::MAX], &[1, 1023]),
        (|e| &mut e.ring_dep_pool, &[0, 4, 5, MAX], &[1, 3, MAX + 1]),
    ];
    for (field, good, bad) in table {
        for at in 0..4 {
            let with = |value| {
                let mut env = RuntimeEnv::default();
                field(&mut env)[at] = value;
                env.validate()
            };
            assert!(good.iter().all(|&v| with(v).is_ok()));
            for &v in bad {
                let found = with(v).unwrap_err();
                assert!(matches!(found, ConfigError::Ring { ring, value, .. } if (ring, value) == (at, v)));
            }
        }
    }
}

#[test]
fn a_prefix_is_text_that_ends() {
    let mut config = CallConfig::default();
    let long = "x".repeat(1023);
    config.set_output_prefix(&long).unwrap();
    assert_eq!(config.output_prefix(), Ok(&long[..]));
    assert_eq!(
        config.set_output_prefix(&"x".repeat(1024)),
        Err(ConfigError::PrefixLen { len: 1024, max: 1023 })
    );
    assert_eq!(config.set_output_prefix("a\0b"), Err(ConfigError::PrefixText { at: 1 }));
    assert_eq!(config.output_prefix(), Ok(&long[..]));
    config.set_output_prefix("short").unwrap();
    assert_eq!(config.output_prefix(), Ok("short"));
    config.output_prefix = [b'x'; PREFIX];
    assert_eq!(config.validate(), Err(ConfigError::PrefixLen { len: 1024, max: 1023 }));
    config.output_prefix[2] = 0xff;
    config.output_prefix[9] = 0;
    assert_eq!(config.validate(), Err(ConfigError::PrefixText { at: 2 }));
}

proptest! {
    #[test]
    fn any_bytes_are_read_back_and_what_is_accepted_is_rebuilt(
        bytes in prop::collection::vec(any::<u8>(), 1140..1150),
        zero in 0usize..1150,
    ) {
        let mut bytes = bytes;
        bytes.iter_mut().take(zero).for_each(|b| *b = 0);
        bytes.iter_mut().skip(120).for_each(|b| *b &= 0x7f);
        match CallConfig::read(&bytes) {
            Ok(config) => {
                prop_assert_eq!(bytemuck::bytes_of(&config), &bytes[..1144]);
                let _ = alloc::format!("{config:?}");
                if config.validate().is_ok() {
                    let mut again = CallConfig::default();
                    again.set_aicpu_thread_num(config.aicpu_thread_num());
                    for d in Diagnostic::ALL {
                        again.set_diagnostic(d, config.diagnostic(d));
                    }
                    again.set_runtime_env(config.runtime_env());
                    again.set_output_prefix(config.output_prefix().unwrap()).unwrap();
                    let len = 120 + config.output_prefix().unwrap().len() + 1;
                    prop_assert_eq!(&bytemuck::bytes_of(&again)[..len], &bytes[..len]);
                }
            }
            Err(error) => prop_assert_eq!(error, ConfigError::Size { have: bytes.len(), need: 1144 }),
        }
    }
}
