//! The compiled shims: formatting what libraries log, and calling their functions so that what they throw comes back as
//! a text. Each is there if the crate was built where its compiler is.

use core::ffi::{CStr, c_char, c_int, c_void};

use crate::layout::{ChipArgs, Config, LogFn};

/// The entry of an orchestration.
pub(super) type Entry = unsafe extern "C-unwind" fn(*const ChipArgs);
/// What says how many arguments it takes.
pub(super) type Configure = unsafe extern "C-unwind" fn(*const ChipArgs) -> Config;
/// As [`RuntimeOps::report_fatal`](crate::layout::RuntimeOps).
pub(super) type FatalFn =
    unsafe extern "C" fn(*mut crate::layout::Runtime, i32, *const c_char, *const c_char, ...);

/// The text that fits of what was thrown.
#[cfg(prewire_shim_cpp)]
const TEXT: usize = 1024;

/// A text that a library handed over.
///
/// # Safety
///
/// Null, or a text that ends with a zero and stays for as long as it is used.
pub(super) unsafe fn text<'a>(text: *const c_char) -> std::borrow::Cow<'a, str> {
    if text.is_null() {
        return "(nothing)".into();
    }
    // SAFETY: it is not null, and the rest is the caller's word.
    unsafe { CStr::from_ptr(text) }.to_string_lossy()
}

#[cfg(prewire_shim_cpp)]
unsafe extern "C" {
    fn prewire_shim_call_entry(entry: Entry, args: *const ChipArgs, text: *mut c_char, size: usize) -> c_int;
    fn prewire_shim_call_config(
        config: Configure,
        args: *const ChipArgs,
        count: *mut c_int,
        text: *mut c_char,
        size: usize,
    ) -> c_int;
}

#[cfg(prewire_shim_cpp)]
fn thrown(outcome: c_int, text: &[u8; TEXT]) -> Result<(), String> {
    if outcome == 0 {
        return Ok(());
    }
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(TEXT);
    Err(String::from_utf8_lossy(&text[..end]).into_owned())
}

/// Calls `entry`. What it throws is the error.
///
/// # Safety
///
/// `entry` is the entry of a library that is loaded and bound to a runtime, and `args` are arguments as it takes them.
#[cfg(prewire_shim_cpp)]
pub(super) unsafe fn call_entry(entry: Entry, args: *const ChipArgs) -> Result<(), String> {
    let mut text = [0_u8; TEXT];
    // SAFETY: the text has as many bytes as is said, and the rest is the caller's word.
    let outcome = unsafe { prewire_shim_call_entry(entry, args, text.as_mut_ptr().cast(), TEXT) };
    thrown(outcome, &text)
}

/// Asks `config` how many arguments there must be at least. What it throws is the error.
///
/// # Safety
///
/// As [`call_entry`].
#[cfg(prewire_shim_cpp)]
pub(super) unsafe fn call_config(config: Configure, args: *const ChipArgs) -> Result<i32, String> {
    let (mut text, mut count) = ([0_u8; TEXT], 0);
    // SAFETY: as in `call_entry`, and the count is written through a reference.
    let outcome =
        unsafe { prewire_shim_call_config(config, args, &raw mut count, text.as_mut_ptr().cast(), TEXT) };
    thrown(outcome, &text).map(|()| count)
}

/// As above, without what catches: what the library throws ends the process with a message of its runtime.
///
/// # Safety
///
/// As above.
#[cfg(not(prewire_shim_cpp))]
pub(super) unsafe fn call_entry(entry: Entry, args: *const ChipArgs) -> Result<(), String> {
    // SAFETY: the caller's word.
    unsafe { entry(args) };
    Ok(())
}

/// As above.
///
/// # Safety
///
/// As above.
#[cfg(not(prewire_shim_cpp))]
pub(super) unsafe fn call_config(config: Configure, args: *const ChipArgs) -> Result<i32, String> {
    // SAFETY: the caller's word.
    Ok(unsafe { config(args) }.expected_arg_count)
}

/// Whether messages of a level are written: not 0.
pub(super) type LogGate = unsafe extern "C" fn(level: c_int) -> c_int;
/// Where formatted messages go.
pub(super) type LogSink = unsafe extern "C" fn(level: c_int, func: *const c_char, text: *const c_char);
/// Where formatted failures go.
pub(super) type FatalSink =
    unsafe extern "C" fn(runtime: *mut c_void, code: i32, func: *const c_char, text: *const c_char);

/// The entries that take a format: five to log, by level from the worst on, and one to fail.
#[cfg(prewire_shim_c)]
pub(super) fn format_entries(gate: LogGate, log: LogSink, fatal: FatalSink) -> ([LogFn; 5], FatalFn) {
    unsafe extern "C" {
        fn prewire_shim_register(gate: LogGate, log: LogSink, fatal: FatalSink);
        fn prewire_shim_log_error(func: *const c_char, format: *const c_char, ...);
        fn prewire_shim_log_warn(func: *const c_char, format: *const c_char, ...);
        fn prewire_shim_log_timing(func: *const c_char, format: *const c_char, ...);
        fn prewire_shim_log_info(func: *const c_char, format: *const c_char, ...);
        fn prewire_shim_log_debug(func: *const c_char, format: *const c_char, ...);
        fn prewire_shim_report_fatal(
            runtime: *mut crate::layout::Runtime,
            code: i32,
            func: *const c_char,
            format: *const c_char,
            ...
        );
    }
    // SAFETY: it stores three addresses, each in one piece, of functions that are there as long as this library is.
    unsafe { prewire_shim_register(gate, log, fatal) };
    let log: [LogFn; 5] = [
        prewire_shim_log_error,
        prewire_shim_log_warn,
        prewire_shim_log_timing,
        prewire_shim_log_info,
        prewire_shim_log_debug,
    ];
    (log, prewire_shim_report_fatal)
}

/// As above, without what formats: the message is the format. A function that takes no further arguments can be called
/// with some by the rules of every processor that libraries are compiled for here.
#[cfg(not(prewire_shim_c))]
pub(super) fn format_entries(gate: LogGate, log: LogSink, fatal: FatalSink) -> ([LogFn; 5], FatalFn) {
    use core::mem::transmute;
    use std::sync::OnceLock;
    type Plain = unsafe extern "C" fn(*const c_char, *const c_char);
    static SINKS: OnceLock<(LogSink, FatalSink)> = OnceLock::new();
    // Nothing is formatted here, and the sink asks for itself.
    let _ = gate;
    SINKS.get_or_init(|| (log, fatal));
    unsafe extern "C" fn plain<const LEVEL: c_int>(func: *const c_char, format: *const c_char) {
        if let Some((log, _)) = SINKS.get() {
            // SAFETY: the caller's word is what the sink wants.
            unsafe { log(LEVEL, func, format) };
        }
    }
    unsafe extern "C" fn plain_fatal(
        runtime: *mut crate::layout::Runtime,
        code: i32,
        func: *const c_char,
        format: *const c_char,
    ) {
        if let Some((_, fatal)) = SINKS.get() {
            // SAFETY: as above.
            unsafe { fatal(runtime.cast(), code, func, format) };
        }
    }
    let plain: [Plain; 5] = [plain::<0>, plain::<1>, plain::<2>, plain::<3>, plain::<4>];
    // SAFETY: the function ignores what it is called with beyond its parameters.
    let log = plain.map(|entry| unsafe { transmute::<Plain, LogFn>(entry) });
    // SAFETY: as above.
    let fatal = unsafe {
        transmute::<
            unsafe extern "C" fn(*mut crate::layout::Runtime, i32, *const c_char, *const c_char),
            FatalFn,
        >(plain_fatal)
    };
    (log, fatal)
}

/// An entry for failures that does nothing with them.
pub(super) fn ignore_fatal() -> FatalFn {
    unsafe extern "C" fn ignore(_: *mut crate::layout::Runtime, _: i32, _: *const c_char, _: *const c_char) {}
    type Plain = unsafe extern "C" fn(*mut crate::layout::Runtime, i32, *const c_char, *const c_char);
    // SAFETY: the function ignores what it is called with, and one that takes no further arguments can be called with some
    // by the rules of every processor that libraries are compiled for here.
    unsafe { core::mem::transmute::<Plain, FatalFn>(ignore) }
}
