//! Libraries and arguments that are not what they should be: an error that names it, and nothing is left behind.

use host_runtime::orchestration::{LoadError, StagedArgs, status_of};
use prewire_chip::RingSizes;

use crate::Case;
use crate::compile;
use crate::rig::{callable, chip, dog, load, play, program, words};

pub(crate) const CASES: &[Case] = &[
    ("a_library_without_its_symbols_is_named", symbols),
    ("a_library_may_call_its_runtime_while_it_is_unloaded", destructors),
    ("bytes_that_are_no_library_are_refused", bytes),
    ("kernels_are_looked_at_when_a_program_is_loaded", kernels),
    ("too_few_and_too_many_arguments_are_code_5", counts),
    ("a_program_that_is_gone_leaves_no_kernel_behind", gone),
];

const BIND: &str = "void framework_bind_runtime(void *runtime) { (void)runtime; }";
const ENTRY: &str = "void run(const void *args) { (void)args; }";

#[track_caller]
fn refused(bytes: &[u8], says: &str) -> LoadError {
    let error = load(bytes).expect_err("it is no program");
    assert!(error.to_string().contains(says), "{says:?} is not in {error}");
    error
}

fn symbols() {
    let _dog = dog();
    let whole = compile::c(&format!("{BIND}{ENTRY}"));
    drop(load(&callable(&whole, "run", &[])).unwrap());
    refused(&callable(&whole, "walk", &[]), "no symbol \"walk\"");
    refused(&callable(&whole, "", &[]), "no symbol \"aicpu_orchestration_entry\"");
    let unbound = compile::c(ENTRY);
    refused(&callable(&unbound, "run", &[]), "no symbol \"framework_bind_runtime\"");
    let null = compile::c(&format!("{BIND}__asm__(\".globl run\\n.set run, 0\\n\");"));
    refused(&callable(&null, "run", &[]), "no symbol \"run\"");
    let nowhere = "void nowhere(const void *args); void run(const void *args) { nowhere(args); }";
    let undefined = compile::c(&format!("{BIND}{nowhere}"));
    refused(&callable(&undefined, "run", &[]), "nowhere");
}

/// Remembers a word in the memory of its first tensor; as it is unloaded, opens a scope and writes there what it hears.
const DESTRUCTOR: &str = r"
#include <stdint.h>
struct runtime;
struct ops { void *submit; void (*open)(struct runtime *); void *close, *done; _Bool (*fatal)(struct runtime *); };
struct runtime { const struct ops *ops; uint8_t mode; };
static struct runtime *bound;
static uint32_t *word;
void framework_bind_runtime(struct runtime *runtime) { bound = runtime; }
void run(const char *args) { word = **(uint32_t ***)(args + 1024); }
__attribute__((destructor)) static void last(void) {
    if (word == 0) return;
    bound->mode = 1;
    bound->ops->open(bound);
    *word = 7 + bound->ops->fatal(bound);
}
";

fn destructors() {
    let _dog = dog();
    let chip = chip(RingSizes::default());
    let mut x = vec![0; 1];
    let bound = load(&callable(&compile::c(DESTRUCTOR), "run", &[])).unwrap().bind(&chip).unwrap();
    play(&chip, &bound, 0, &[words(&mut x)]).unwrap();
    drop(bound);
    assert_eq!(x, [8]);
}

fn bytes() {
    let _dog = dog();
    let whole = compile::c(&format!("{BIND}{ENTRY}"));
    for cut in [0, 1, 63, 64, 100, whole.len() / 3, whole.len() / 2] {
        refused(&callable(&whole[..cut], "run", &[]), "cannot be loaded");
    }
    refused(&callable(b"#!/bin/sh\n", "run", &[]), "cannot be loaded");
}

fn kernels() {
    let _dog = dog();
    let whole = compile::c(&format!("{BIND}{ENTRY}"));
    let empty = compile::c("int nothing;");
    let entry = "kernel_entry";
    refused(&callable(&whole, "run", &[(3, empty)]), entry);
    let null = compile::c("__asm__(\".globl kernel_entry\\n.set kernel_entry, 0\\n\");");
    refused(&callable(&whole, "run", &[(3, null)]), entry);
    refused(&callable(&whole, "run", &[(3, b"no library".to_vec())]), "function id 3");
    let kernel = compile::kernel("nothing");
    refused(&callable(&whole, "run", &[(3, kernel.clone()), (3, kernel)]), "same function id 3");
}

fn counts() {
    let _dog = dog();
    let chip = chip(RingSizes::default());
    let bound = program(true).bind(&chip).unwrap();
    let mut memory = vec![0; 4];
    let tensor = words(&mut memory);
    let (tensors, scalars) = (vec![tensor; 257], vec![0; 129]);
    for (args, says) in [
        (StagedArgs::default(), "takes 1 arguments"),
        (StagedArgs { tensors: &tensors, scalars: &[] }, "257 tensors"),
        (StagedArgs { tensors: &[], scalars: &scalars }, "129 scalars"),
    ] {
        // SAFETY: nothing of it is used.
        let error = chip.run(|orch| unsafe { bound.play(orch, &args) }).unwrap_err();
        assert_eq!(status_of(&error).number(), -5);
        assert!(error.to_string().contains(says), "{error}");
    }
    // As many as there may be are handed on as they are.
    let args = StagedArgs { tensors: &tensors[..256], scalars: &[vec![7], vec![0; 127]].concat() };
    // SAFETY: recipe 7 uses no tensor.
    chip.run(|orch| unsafe { bound.play(orch, &args) }).unwrap();
}

fn gone() {
    let _dog = dog();
    let chip = chip(RingSizes::default());
    let program = program(false);
    let mut x = vec![0; 1];
    for _ in 0..300 {
        let bound = program.bind(&chip).unwrap();
        play(&chip, &bound, 8, &[words(&mut x)]).unwrap();
    }
    let bound = program.bind(&chip).unwrap();
    drop(chip);
    drop(bound);
}
