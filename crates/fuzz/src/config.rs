//! The configuration of a run: it keeps its bytes, and what validates is what its documentation allows.

use crate::source::Source;
use prewire_abi::{CallConfig, Diagnostic};

pub(crate) fn check(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let raw = source.u8().is_multiple_of(4);
    let mut record = if raw { source.rest().to_vec() } else { vec![0; size_of::<CallConfig>()] };
    if !raw {
        source.patch(&mut record);
    }
    let Ok(config) = CallConfig::read(&record) else {
        assert!(record.len() < size_of::<CallConfig>(), "a record of full length was refused");
        return;
    };
    assert_eq!(bytemuck::bytes_of(&config), &record[..size_of::<CallConfig>()]);
    let _ = format!("{config:?}");
    let prefix = config.output_prefix().map(ToOwned::to_owned);
    if config.validate().is_ok() {
        assert!(config.aicpu_thread_num() == 0 || config.aicpu_thread_num() > 1);
        let prefix = prefix.as_deref().expect("a valid configuration has a readable prefix");
        let asks = Diagnostic::ALL.into_iter().any(|diagnostic| config.diagnostic(diagnostic) != 0);
        assert!(!prefix.is_empty() || !asks, "diagnostics have nowhere to go: {config:?}");
        assert!(config.runtime_env().validate().is_ok());
    }
    let mut copy = config;
    for diagnostic in Diagnostic::ALL {
        copy.set_diagnostic(diagnostic, config.diagnostic(diagnostic));
    }
    copy.set_aicpu_thread_num(config.aicpu_thread_num());
    copy.set_runtime_env(config.runtime_env());
    assert_eq!(bytemuck::bytes_of(&copy), bytemuck::bytes_of(&config), "what was read was set otherwise");
    if let Ok(prefix) = prefix {
        copy.set_output_prefix(&prefix).expect("a prefix that was read can be set");
        assert_eq!(copy.output_prefix(), Ok(prefix.as_str()));
    }
}
