//! A chip, and the fixtures' program on it.

use std::sync::Arc;
use std::time::Duration;

use host_runtime::orchestration::{Bound, LoadError, Program, StagedArgs, status_of};
use prewire_abi::{ArgDirection, ChipCallable, ChipCallableParts, ChipTensor, CoreCallable, DataType};
use prewire_chip::{Chip, Error, Hazards, RingSizes, RunReport};
use prewire_test_support::Watchdog;

use crate::compile;

/// Ends the process if the calling test hangs.
pub(crate) fn dog() -> Watchdog {
    Watchdog::new(Duration::from_secs(180))
}

/// A chip of four clusters, by the rules of such programs.
pub(crate) fn chip(sizes: RingSizes) -> Chip {
    chip_of(prewire_a2a3::a2a3(), sizes)
}

/// The same of a chip that is described by `spec`.
pub(crate) fn chip_of(spec: prewire_platform::ChipSpec, sizes: RingSizes) -> Chip {
    Chip::sim(spec).clusters(4).hazards(Hazards::RawWaw).rings(sizes).build().unwrap()
}

/// The bytes of a callable with these libraries.
pub(crate) fn callable(binary: &[u8], func_name: &str, kernels: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let cores: Vec<(u32, Vec<u8>)> = kernels
        .iter()
        .map(|(id, kernel)| (*id, CoreCallable::encode(&[ArgDirection::In], kernel).unwrap()))
        .collect();
    let children: Vec<(u32, &[u8])> = cores.iter().map(|(id, core)| (*id, core.as_slice())).collect();
    ChipCallable::encode(&ChipCallableParts {
        signature: &[ArgDirection::InOut],
        binary,
        func_name,
        config_name: "aicpu_orchestration_config",
        children: &children,
    })
    .unwrap()
}

/// Loads what is in a callable.
pub(crate) fn load(bytes: &[u8]) -> Result<Arc<Program>, LoadError> {
    let callable = ChipCallable::parse(bytes).unwrap();
    // SAFETY: the libraries are the fixtures, or small sources of the tests, compiled for this.
    unsafe { Program::load(&callable) }
}

/// The fixtures' program in one of the forms.
pub(crate) fn program(dump: bool) -> Arc<Program> {
    load(&callable(&compile::recipes(dump), "aicpu_orchestration_entry", &compile::kernels())).unwrap()
}

/// Plays recipe `number` with these tensors.
pub(crate) fn play(
    chip: &Chip,
    bound: &Bound,
    number: u64,
    tensors: &[ChipTensor],
) -> Result<RunReport, Error> {
    let scalars = [number, 0];
    chip.run(|orch| {
        // SAFETY: the tensors are memory of the tests, which stays until the run has ended.
        unsafe { bound.play(orch, &StagedArgs { tensors, scalars: &scalars }) }
    })
}

/// What a recipe that fails comes to, and its message.
#[track_caller]
pub(crate) fn fails(chip: &Chip, bound: &Bound, number: u64, tensors: &[ChipTensor]) -> (i32, String) {
    let error = play(chip, bound, number, tensors).expect_err("the recipe fails");
    (status_of(&error).number(), error.to_string())
}

/// A tensor over memory of a test.
pub(crate) fn floats(memory: &mut [f32]) -> ChipTensor {
    ChipTensor::contiguous(memory.as_mut_ptr() as u64, &[memory.len() as u32], DataType::F32).unwrap()
}

/// As `floats`.
pub(crate) fn words(memory: &mut [u32]) -> ChipTensor {
    ChipTensor::contiguous(memory.as_mut_ptr() as u64, &[memory.len() as u32], DataType::U32).unwrap()
}
