//! Random programs against a list of all accesses: no conflict is lost, none is made up, whatever ends when.

use crate::views::{View, any_view, plain};
use prewire_abi::TaskId;
use prewire_tensormap::{Access, Full, Hazards, Life, Place, Read, Region, TensorMap};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// A task with these accesses is submitted.
    Submit(Vec<(View, bool)>),
    /// Of the tasks that wait for nobody, this one ends; it fails if it must or is told to.
    End(prop::sample::Index, bool),
    /// A buffer is given to new memory.
    Forget(u64),
}

fn steps(
    view: impl Strategy<Value = View> + Clone + 'static,
    fail: bool,
) -> impl Strategy<Value = Vec<Step>> {
    let submit = prop::collection::vec((view, any::<bool>()), 1..4).prop_map(Step::Submit);
    let end = (any::<prop::sample::Index>(), prop::bool::weighted(if fail { 0.15 } else { 0.0 }))
        .prop_map(|(which, fails)| Step::End(which, fails));
    let forget = (0..2_u64).prop_map(Step::Forget);
    prop::collection::vec(prop_oneof![20 => submit, 16 => end, 1 => forget], 1..160)
}

/// A task as the oracle knows it.
struct Task {
    accesses: Vec<(View, bool)>,
    /// Whom the map told it to wait for, and whom those waited for, and so on.
    ancestors: BTreeSet<usize>,
    life: Life,
    /// Its accesses of these buffers are of memory that is no more.
    forgotten: BTreeSet<u64>,
}

/// Where the numbers of each ring begin. The second goes round.
const BEGIN: [u32; 3] = [7, u32::MAX - 9, 1000];

/// The id of the task with this index: the rings take turns.
fn id_of(task: usize) -> TaskId {
    let ring = task % BEGIN.len();
    TaskId::new(ring as u32, BEGIN[ring].wrapping_add((task / BEGIN.len()) as u32))
}

/// The index of the task with this id.
fn index_of(id: TaskId) -> usize {
    let ring = id.ring() as usize;
    id.local().wrapping_sub(BEGIN[ring]) as usize * BEGIN.len() + ring
}

struct Program {
    map: TensorMap,
    tasks: Vec<Task>,
    /// What was left to it.
    left: Vec<(Region, TaskId)>,
    /// As many entries as there have been with what was left.
    beyond: u32,
    /// Tasks that were refused count here.
    submits: u32,
}

impl Program {
    fn life(tasks: &[Task]) -> impl Fn(TaskId) -> Life + '_ {
        |id| tasks[index_of(id)].life
    }

    /// Sees to so many entries.
    fn make_room(&mut self, entries: u32) {
        while !self.map.reserve(entries, &Self::life(&self.tasks)) {
            if !self.end(0, false) {
                // All that is left is of failed tasks.
                self.map.clear();
                self.tasks.clear();
                self.left.clear();
            }
        }
    }

    /// Records what was left, if the map says that it may matter to a write among `accesses`.
    fn record_left(&mut self, accesses: &[(View, bool)]) {
        if !accesses.iter().any(|(view, writes)| *writes && self.map.has_left(view.region.buffer())) {
            return;
        }
        for (region, id) in self.left.drain(..) {
            let life = |id: TaskId| self.tasks.get(index_of(id)).map_or(Life::Live, |task| task.life);
            if life(id) != Life::Retired {
                self.map.record_left(&region, id, life);
                self.beyond = self.beyond.max(self.map.len());
            }
        }
        self.map.all_recorded();
    }

    fn submit(&mut self, accesses: Vec<(View, bool)>, exact: bool) -> Result<(), TestCaseError> {
        self.record_left(&accesses);
        self.make_room(accesses.len() as u32);
        let now = self.tasks.len();
        let id = id_of(now);
        let life = |id: TaskId| self.tasks.get(index_of(id)).map_or(Life::Live, |task| task.life);
        let mut ancestors = BTreeSet::new();
        let mut places = Vec::new();
        // Of every other task what is read is recorded at once.
        let early = now % 4 > 1 && self.map.takes_reads(accesses.len() as u32);
        // Where a write waits for nothing, what some tasks write they read before.
        let reads_too = now.is_multiple_of(4) && self.map.hazards() == Hazards::Raw;
        // What some tasks write waits for nothing, and is remembered beside what was.
        let beside = self.map.hazards() == Hazards::RawWaw && now % 5 > 2;
        for (view, writes) in &accesses {
            let writes = &(*writes && !reads_too);
            if beside && *writes {
                places.push(Some(Place::default()));
                continue;
            }
            let mut found = BTreeSet::new();
            let dep = |task: TaskId| {
                found.extend((task != id).then_some(index_of(task)));
            };
            places.push(match (early, *writes) {
                (true, false) => match self.map.read(&view.region, id, life, dep) {
                    Read::Recorded => None,
                    // Some are recorded with the rest.
                    Read::Left if now.is_multiple_of(5) => Some(Place::default()),
                    Read::Left => {
                        self.left.push((view.region, id));
                        None
                    }
                    Read::Later(place) => Some(place),
                    Read::Declined => Some(self.map.find(&view.region, Access::Read, life, |task| {
                        found.extend((task != id).then_some(index_of(task)));
                    })),
                },
                (false, false) if now % 4 == 1 && self.map.leaves(&view.region) => {
                    self.left.push((view.region, id));
                    None
                }
                (_, false) => Some(self.map.find(&view.region, Access::Read, life, dep)),
                (_, true) => Some(self.map.find(&view.region, Access::Write, life, dep)),
            });
            for task in &found {
                prop_assert!(
                    self.tasks[*task].life != Life::Retired,
                    "task {} is reported though retired",
                    task
                );
                prop_assert!(!exact || self.conflicts(*task, view, *writes), "{} does not conflict", task);
            }
            let above = found.iter().flat_map(|task| self.tasks[*task].ancestors.iter().copied());
            let ordered: BTreeSet<_> = above.chain(found.iter().copied()).collect();
            ancestors.extend(ordered.iter().copied());
            // What a task reads stands for what it read after, for its own writes too.
            self.check(view, *writes, if early { &ancestors } else { &ordered })?;
        }
        // Some tasks are refused, and of some it is taken back, and recorded with the rest.
        self.submits += 1;
        let refused = self.submits % 7 == 3;
        if refused || now.is_multiple_of(3) {
            for ((view, writes), place) in accesses.iter().zip(&mut places) {
                let own = self.left.iter().rposition(|left| *left == (view.region, id));
                let was_left = !*writes && own.is_some_and(|own| self.left.remove(own).1 == id);
                if was_left || (!*writes && self.map.unread(&view.region, id)) {
                    *place = Some(Place::default());
                }
            }
            // Room that is made between the two moves what was found.
            let life = |id: TaskId| self.tasks.get(index_of(id)).map_or(Life::Retired, |task| task.life);
            let _ = now.is_multiple_of(2) && self.map.reserve(self.map.capacity(), &life);
        }
        if refused {
            return Ok(());
        }
        // Something may end between the two.
        if self.submits % 5 == 2 {
            self.end(now, false);
        }
        let life = |id: TaskId| self.tasks.get(index_of(id)).map_or(Life::Live, |task| task.life);
        for ((view, writes), place) in accesses.iter().zip(places) {
            let access = if *writes { Access::Write } else { Access::Read };
            // Every other task records without having been told where.
            let place = place.map(|place| if now.is_multiple_of(2) { place } else { Place::default() });
            let recorded = place.map(|place| match (beside, access) {
                (true, Access::Write) => self.map.record_beside(&view.region, id, life),
                _ => self.map.record_at(place, &view.region, access, id, life),
            });
            prop_assert!(
                recorded != Some(Err(Full { capacity: self.map.capacity() })),
                "an entry was reserved"
            );
        }
        let most = self.map.capacity().max(self.beyond);
        prop_assert!(self.map.len() <= most && self.map.len() <= self.map.high_water());
        self.tasks.push(Task { accesses, ancestors, life: Life::Live, forgotten: BTreeSet::new() });
        Ok(())
    }

    /// Every conflict with a task that lives is ordered, and every one with a task that failed meets poison.
    fn check(&self, view: &View, writes: bool, ordered: &BTreeSet<usize>) -> Result<(), TestCaseError> {
        let poisoned = ordered.iter().any(|task| self.tasks[*task].life == Life::Failed);
        for task in self.first(view, writes) {
            match self.tasks[task].life {
                Life::Live => {
                    prop_assert!(ordered.contains(&task), "task {} is lost for {:?}", task, view.region)
                }
                Life::Failed => prop_assert!(poisoned, "failed task {} is lost for {:?}", task, view.region),
                Life::Retired => {}
            }
        }
        Ok(())
    }

    /// Whether the map may order `task` before an access: they touch the same byte and one of them writes it.
    fn conflicts(&self, task: usize, view: &View, writes: bool) -> bool {
        let Task { accesses, forgotten, .. } = &self.tasks[task];
        let reads_count = writes && self.map.hazards() == Hazards::All;
        accesses.iter().any(|(other, wrote)| {
            (*wrote || reads_count) && !forgotten.contains(&other.region.buffer()) && other.meets(view)
        })
    }

    /// The tasks that an access must come after.
    fn first(&self, view: &View, writes: bool) -> Vec<usize> {
        if self.map.hazards() != Hazards::Raw {
            return (0..self.tasks.len()).filter(|task| self.conflicts(*task, view, writes)).collect();
        }
        // Only reads wait, and only for the last write of each byte.
        let mut rest = view.clone();
        let mut first = Vec::new();
        for task in (0..self.tasks.len()).rev().filter(|_| !writes) {
            if self.conflicts(task, &rest, false) {
                first.push(task);
                let Task { accesses, forgotten, .. } = &self.tasks[task];
                let wrote = accesses
                    .iter()
                    .filter(|(other, wrote)| *wrote && !forgotten.contains(&other.region.buffer()));
                wrote.for_each(|(other, _)| rest.remove(other));
            }
        }
        first
    }

    /// Ends one of the tasks that wait for nobody; false if there is none.
    fn end(&mut self, which: usize, fails: bool) -> bool {
        let lives = |task: &usize| self.tasks[*task].life == Life::Live;
        let waits = |task: &usize| self.tasks[*task].ancestors.iter().any(lives);
        let ready: Vec<_> = (0..self.tasks.len()).filter(|task| lives(task) && !waits(task)).collect();
        if ready.is_empty() {
            return false;
        }
        let task = ready[which % ready.len()];
        let poisoned = self.tasks[task].ancestors.iter().any(|above| self.tasks[*above].life == Life::Failed);
        self.tasks[task].life = if fails || poisoned { Life::Failed } else { Life::Retired };
        true
    }

    fn forget(&mut self, buffer: u64) {
        // Whoever uses the old memory has ended.
        while self.end(0, false) {}
        let address = 0x1000 * (buffer + 1);
        self.map.forget(address);
        self.left.retain(|(region, _)| region.buffer() != address);
        self.tasks.iter_mut().for_each(|task| {
            task.forgotten.insert(address);
        });
    }
}

fn run(steps: Vec<Step>, hazards: Hazards, capacity: u32, exact: bool) -> Result<(), TestCaseError> {
    let mut program = Program {
        map: TensorMap::new(capacity, hazards),
        tasks: Vec::new(),
        left: Vec::new(),
        beyond: 0,
        submits: 0,
    };
    for step in steps {
        match step {
            Step::Submit(accesses) => program.submit(accesses, exact)?,
            Step::End(which, fails) => {
                program.end(which.index(usize::MAX), fails);
            }
            Step::Forget(buffer) => program.forget(buffer),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn views_of_one_matrix_are_ordered_exactly(steps in steps(plain().boxed(), false), capacity in 8..200_u32) {
        run(steps, Hazards::All, capacity, true)?;
    }

    #[test]
    fn no_conflict_of_any_views_is_lost(steps in steps(any_view().boxed(), false), capacity in 8..200_u32) {
        run(steps, Hazards::All, capacity, false)?;
    }

    #[test]
    fn whoever_follows_a_failed_task_is_poisoned(steps in steps(any_view().boxed(), true), capacity in 8..200_u32) {
        run(steps, Hazards::All, capacity, false)?;
    }

    #[test]
    fn without_reads_no_conflict_of_writes_is_lost(steps in steps(any_view().boxed(), true), capacity in 8..200_u32) {
        run(steps, Hazards::RawWaw, capacity, false)?;
    }

    #[test]
    fn with_reads_after_writes_alone_each_byte_has_its_last_writer(steps in steps(plain().boxed(), false)) {
        run(steps, Hazards::Raw, 4096, true)?;
    }
}
