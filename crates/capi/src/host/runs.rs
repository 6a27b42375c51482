//! Runs: prepared, launched, asked for, waited for and finalized.
//!
//! Invariant: between its steps a run is in its place; a step that takes time takes it out and holds the place, so that no
//! lock is held while something is copied or waited for, and puts it back however the step ends.

use std::sync::Arc;

use prewire_abi::{CallConfig, Diagnostic};
use prewire_chip::{Chip, Orch};
use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::acceptance::Acceptance;
use super::context::Context;
use super::error::HostError;
use super::place::{Kept, Outcome, Phase, Place, Ready};
use super::records::PIPELINE_DEPTH;
use super::request::Request;
use super::sizes::Wanted;
use super::staging::{Buffer, Staged};
use super::storage::Storage;
use super::{log, verdict};
use crate::orchestration::StagedArgs;

/// Tells the runs of a process apart. Raised by every run.
static RUNS: AtomicU64 = AtomicU64::new(1);
/// The diagnostics of which was said that there are none, a bit each. Set by whoever says so.
static SAID: AtomicU32 = AtomicU32::new(0);

/// A place that a step has taken its run out of. Dropped without a next phase, it leaves the place free.
struct Holding<'c> {
    context: &'c Context,
    slot: usize,
    buffer: Option<Buffer>,
    next: Phase,
}

impl Holding<'_> {
    /// The step is over: the run is in `next`.
    fn put(mut self, next: Phase) {
        self.next = next;
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        let (next, buffer) = (std::mem::take(&mut self.next), self.buffer);
        // What it replaces says only that the place was held.
        let _ = self.context.with(|device| {
            let place = &mut device.places[self.slot];
            place.phase = next;
            if let Some(buffer) = buffer {
                place.buffer = buffer;
            }
            Ok(())
        });
    }
}

/// Prepares a run in the place that its descriptor names, and returns it with its number.
///
/// # Safety
///
/// As [`Staged::new`].
unsafe fn stage<'c>(
    context: &'c Context,
    request: &Request<'_>,
) -> Result<(Holding<'c>, u64, Ready), HostError> {
    let Request { id, args, config, descriptor } = *request;
    for (what, value) in [("pipeline slot", descriptor.pipeline_slot), ("bank", descriptor.arena_bank)] {
        if value >= PIPELINE_DEPTH {
            return Err(HostError::Place { what, value });
        }
    }
    config.validate()?;
    let slot = descriptor.pipeline_slot as usize;
    let wanted = Wanted::of(&config.runtime_env());
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let (content, bound, chip, buffer) = context.with(|device| {
        if !matches!(device.places[slot].phase, Phase::Free) {
            return Err(HostError::PlaceTaken { slot: descriptor.pipeline_slot });
        }
        let content = Arc::clone(device.callable(id)?);
        device.heed_loss(&context.memory);
        let kept = device.chip_for(wanted)?;
        let bound = content.bind(id, kept)?;
        let chip = Arc::clone(kept.chip());
        let place = &mut device.places[slot];
        place.phase = Phase::Held("being prepared");
        place.number = number;
        Ok((content, bound, chip, place.buffer))
    })?;
    let mut holding = Holding { context, slot, buffer: None, next: Phase::Free };
    say_once(config);
    let mut buffer_now = buffer;
    // SAFETY: the caller's promises; the buffer is that of a place that is held.
    let staged =
        unsafe { Staged::new(id, args, content.program.signature(), &context.memory, &mut buffer_now) };
    // It may have been given up for a larger one that could not be had.
    holding.buffer = Some(buffer_now);
    let acceptance = Acceptance { word: descriptor.accepted_state, value: descriptor.accepted_value };
    let staged = Arc::new(staged?);
    Ok((holding, number, Ready { id, content, wanted, chip, bound, staged, acceptance }))
}

/// Prepares a run whose name is kept in `storage`.
///
/// # Safety
///
/// As [`Staged::new`], until the run is finalized.
pub(crate) unsafe fn prepare(
    context: &Context,
    storage: Storage,
    request: &Request<'_>,
) -> Result<(), HostError> {
    storage.check_free()?;
    // SAFETY: the caller's promises.
    let (holding, number, ready) = unsafe { stage(context, request) }?;
    storage.fill(holding.slot, number);
    holding.put(Phase::Prepared(ready));
    Ok(())
}

/// A run from its preparation to its end, and its code.
///
/// # Safety
///
/// As [`Staged::new`].
pub(crate) unsafe fn run(
    context: &Context,
    storage: Storage,
    request: &Request<'_>,
) -> Result<i32, HostError> {
    storage.check_free()?;
    // SAFETY: the caller's promises.
    let (_holding, _, ready) = unsafe { stage(context, request) }?;
    let chip = Arc::clone(&ready.chip);
    let kept = ready.kept();
    // SAFETY: the caller's promises.
    unsafe { kept.staged.copy_in() };
    let code = end("simpler_run", &play_here(&chip, ready));
    kept.hand_over(code);
    Ok(code)
}

/// Plays a run on this thread.
fn play_here(chip: &Chip, ready: Ready) -> Outcome {
    chip.run(move |orch| {
        ready.acceptance.tell();
        ready.play(orch)
    })
}

/// What a run came to: its code, after the log was told.
fn end(call: &str, outcome: &Outcome) -> i32 {
    match outcome {
        Ok(report) => {
            log::info(call, format_args!("{} tasks in {:?}", report.tasks, report.wall));
            0
        }
        Err(error) => verdict::failed(call, error),
    }
}

impl Kept {
    /// Copies back the results of a run that came to `code`: those of one that failed stay where they are.
    fn hand_over(&self, code: i32) {
        if code == 0 {
            // SAFETY: the run is over; its tensors stay until it is finalized, which is when this is called.
            unsafe { self.staged.copy_back() };
        }
    }
}

impl Ready {
    /// Takes the new chip if the one that it was prepared for was lost since.
    fn renew(&mut self, context: &Context) -> Result<(), HostError> {
        if self.chip.lost().is_none() {
            return Ok(());
        }
        context.with(|device| {
            device.heed_loss(&context.memory);
            let kept = device.chip_for(self.wanted)?;
            self.bound = self.content.bind(self.id, kept)?;
            self.chip = Arc::clone(kept.chip());
            Ok(())
        })
    }

    fn kept(&self) -> Kept {
        Kept { _bound: Arc::clone(&self.bound), staged: Arc::clone(&self.staged) }
    }

    /// What the chip runs.
    fn play(&self, orch: &mut Orch<'_>) -> prewire_chip::Result<()> {
        let Staged { tensors, scalars, .. } = &*self.staged;
        // SAFETY: the chip was built for hazards of this kind; the tensors are those of the front end, which has promised
        // that they are memory, or the copies of them in a buffer that this run alone uses.
        unsafe { self.bound.play(orch, &StagedArgs { tensors, scalars }) }
    }
}

/// The place that `storage` speaks of, with its run in it.
fn place(device: &mut super::device::Device, storage: Storage) -> Result<(usize, &mut Place), HostError> {
    let (slot, number) = storage.run()?;
    let what = "its run is over, or of another context";
    let place = device.places.get_mut(slot).filter(|place| place.number == number);
    match place {
        Some(place) if !matches!(place.phase, Phase::Free) => Ok((slot, place)),
        _ => Err(HostError::Storage { what }),
    }
}

fn wrong(call: &'static str, need: &'static str, phase: &Phase) -> HostError {
    HostError::Phase { call, need, phase: phase.name() }
}

/// Launches a prepared run: copies in what it reads, which results of earlier runs may have come to by now. It goes on by
/// itself, after the runs that were launched before.
pub(crate) fn launch(context: &Context, storage: Storage) -> Result<i32, HostError> {
    let call = "simpler_launch_run";
    let prepared = |phase: &Phase| matches!(phase, Phase::Prepared(_));
    let (holding, phase) = take(context, storage, (call, "prepared", "being launched"), prepared)?;
    let Phase::Prepared(mut ready) = phase else { return Err(wrong(call, "prepared", &phase)) };
    if let Err(error) = ready.renew(context) {
        holding.put(Phase::Prepared(ready));
        return Err(error);
    }
    let (chip, kept, acceptance) = (Arc::clone(&ready.chip), ready.kept(), ready.acceptance);
    // SAFETY: who prepared the run promised that its tensors stay until it is finalized.
    unsafe { kept.staged.copy_in() };
    match chip.launch(move |orch| ready.play(orch)) {
        Ok(run) => {
            holding.put(Phase::Running(run, kept));
            acceptance.tell();
            Ok(0)
        }
        Err(error) => {
            let code = verdict::failed(call, &error);
            holding.put(Phase::Over(code, Some(kept)));
            Ok(code)
        }
    }
}

/// Whether a launched run is over.
pub(crate) fn poll(context: &Context, storage: Storage) -> Result<bool, HostError> {
    context.with(|device| {
        let (_, place) = place(device, storage)?;
        match &place.phase {
            Phase::Running(run, _) => Ok(run.is_over()),
            Phase::Over(..) => Ok(true),
            Phase::Held(_) => Ok(false),
            other => Err(wrong("simpler_poll_run", "launched", other)),
        }
    })
}

/// Takes the run out of its place for a step that takes time.
fn take<'c>(
    context: &'c Context,
    storage: Storage,
    (call, need, held): (&'static str, &'static str, &'static str),
    may: impl FnOnce(&Phase) -> bool,
) -> Result<(Holding<'c>, Phase), HostError> {
    context.with(|device| {
        let (slot, place) = place(device, storage)?;
        if !may(&place.phase) {
            return Err(wrong(call, need, &place.phase));
        }
        let phase = std::mem::replace(&mut place.phase, Phase::Held(held));
        Ok((Holding { context, slot, buffer: None, next: Phase::Free }, phase))
    })
}

/// Waits until a launched run is over, and returns its code. The run stays until it is finalized.
pub(crate) fn wait(context: &Context, storage: Storage) -> Result<i32, HostError> {
    let words = ("simpler_wait_run", "launched", "being waited for");
    let launched = |phase: &Phase| matches!(phase, Phase::Running(..) | Phase::Over(..));
    let (holding, phase) = take(context, storage, words, launched)?;
    let (code, kept) = over("simpler_wait_run", phase);
    holding.put(Phase::Over(code, kept));
    Ok(code)
}

/// Waits for what may go on: the code of the run, and what is kept of it if it was launched.
fn over(call: &str, phase: Phase) -> (i32, Option<Kept>) {
    match phase {
        Phase::Running(run, kept) => (end(call, &run.wait()), Some(kept)),
        Phase::Over(code, kept) => (code, kept),
        // Prepared and never launched: nothing of it has happened.
        _ => (0, None),
    }
}

/// Ends a prepared run, launched or not, and returns its code. Its place and its storage are free afterwards.
pub(crate) fn finalize(context: &Context, storage: Storage) -> Result<i32, HostError> {
    let words = ("simpler_finalize_run", "prepared or launched", "being finalized");
    let (_holding, phase) = take(context, storage, words, |phase| !matches!(phase, Phase::Held(_)))?;
    let (code, kept) = over("simpler_finalize_run", phase);
    if let Some(kept) = kept {
        kept.hand_over(code);
    }
    storage.clear();
    Ok(code)
}

/// Says once in a process of each diagnostic that was asked for that there is none.
fn say_once(config: &CallConfig) {
    for (bit, diagnostic) in Diagnostic::ALL.into_iter().enumerate() {
        if config.diagnostic(diagnostic) != 0 && SAID.fetch_or(1 << bit, Ordering::Relaxed) & (1 << bit) == 0
        {
            let name = diagnostic.name();
            log::warn(
                "simpler_prepare_run",
                format_args!("{name} is accepted, and nothing is recorded for it"),
            );
        }
    }
}
