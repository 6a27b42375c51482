//! Where the active threads of a pool run, so that two of them do not share a processor while another one is free.
//!
//! The system balances its load every few milliseconds, and a thread that has just run counts as being where its data are.
//! A run of a chip may be over by then, with the orchestration and the one worker that it needs having taken turns on one
//! processor. So who has just woken up notes where, and a worker moves on if another one of the pool is there already. The
//! guest's thread is the program's own: it notes where it is, and is left there; a worker that it has displaced, which may
//! look for the very work that the guest makes and not get to run, it sends to a free processor. Nobody is kept anywhere: a note is a hint,
//! made now and then, and the system may place every thread as it likes from the next moment on.

use prewire_os::process;
use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Nobody sits here.
const EMPTY: u32 = 0;

/// No thread has this number, and none is moved by it.
const NOBODY: u32 = 0;

/// One seat a thread: where it runs as far as it has noted.
#[derive(Debug)]
pub(crate) struct Seats {
    seats: Box<[Padded<Seat>]>,
    /// Held while a thread is moved, and when one quits: what is moved has not ended. Two that move the same one would each
    /// take the narrow mask of the other for what the thread may use: who does not get it moves nobody.
    moving: Mutex<()>,
}

/// Where a thread runs.
#[derive(Debug, Default)]
struct Seat {
    /// One more than the number of a processor, or [`EMPTY`]. Written by its thread, and by a guest that sends it elsewhere;
    /// emptied by it, too, and the guest's by the watchman where he takes its place away.
    at: AtomicU32,
    /// The number of the worker's thread, or [`NOBODY`]. Written by it when it begins and, as the system gives the number to
    /// another thread then, before it ends.
    thread: AtomicU32,
}

impl Seats {
    /// Seats of `workers` workers, and one of a guest.
    pub(crate) fn new(workers: u16) -> Self {
        Self { seats: (0..=workers).map(|_| Padded::default()).collect(), moving: Mutex::new(()) }
    }

    /// The seat of the guest.
    pub(crate) fn guest(&self) -> u16 {
        (self.seats.len() - 1) as u16
    }

    /// The calling thread is that of worker `number` from now on.
    pub(crate) fn enter(&self, number: u16) {
        if !cfg!(prewire_loom) {
            self.seat(number).thread.store(process::thread_number(), Ordering::Relaxed);
        }
    }

    /// The calling thread, the guest, goes on: notes where, and stays there. Of the first `workers` those that have noted
    /// the same go elsewhere if they can: they do not run as long as the guest does.
    pub(crate) fn note_guest(&self, workers: u16) {
        if cfg!(prewire_loom) {
            return;
        }
        let (guest, here) = (self.guest(), process::processor());
        self.note(guest, here);
        for number in (0..workers.min(guest)).filter(|&number| self.has_noted(number, here)) {
            let Ok(_moving) = self.moving.try_lock() else { return };
            let thread = self.seat(number).thread.load(Ordering::Relaxed);
            // One that cannot be moved waits.
            if let Ok(Some(there)) = process::move_thread(thread, here, |cpu| self.is_taken(number, cpu)) {
                // Unless it has left, or noted another one, meanwhile.
                let (here, there) = (here as u32 + 1, there as u32 + 1);
                let at = &self.seat(number).at;
                let _ = at.compare_exchange(here, there, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }

    /// The calling thread, the worker `number`, goes on: notes where, elsewhere than the others if it can.
    pub(crate) fn take(&self, number: u16) {
        if cfg!(prewire_loom) {
            return;
        }
        let mut here = process::processor();
        if self.is_taken(number, here)
            && let Ok(_moving) = self.moving.try_lock()
        {
            // Where it may not ask or move it stays.
            here = process::move_on(|cpu| self.is_taken(number, cpu)).ok().flatten().unwrap_or(here);
        }
        self.note(number, here);
    }

    fn note(&self, number: u16, cpu: usize) {
        self.seat(number).at.store(cpu as u32 + 1, Ordering::Relaxed);
    }

    /// The calling thread, that of worker `number`, is about to end: it is moved no more.
    pub(crate) fn quit(&self, number: u16) {
        if !cfg!(prewire_loom) {
            let _moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
            self.seat(number).thread.store(NOBODY, Ordering::Relaxed);
            self.leave(number);
        }
    }

    /// The thread of seat `number` parks, or goes.
    pub(crate) fn leave(&self, number: u16) {
        if !cfg!(prewire_loom) {
            self.seat(number).at.store(EMPTY, Ordering::Relaxed);
        }
    }

    fn seat(&self, number: u16) -> &Seat {
        &self.seats[usize::from(number)]
    }

    fn has_noted(&self, number: u16, cpu: usize) -> bool {
        self.seat(number).at.load(Ordering::Relaxed) == cpu as u32 + 1
    }

    /// Whether somebody else has noted that it runs on `cpu`.
    fn is_taken(&self, number: u16, cpu: usize) -> bool {
        (0..=self.guest()).any(|other| other != number && self.has_noted(other, cpu))
    }
}

#[cfg(all(test, not(prewire_loom)))]
mod tests {
    use super::*;

    /// Where a thread has noted that it runs.
    fn noted(seats: &Seats, number: u16) -> u32 {
        seats.seat(number).at.load(Ordering::Relaxed)
    }

    #[test]
    fn two_threads_do_not_share_a_processor_while_another_is_free() {
        let seats = Seats::new(2);
        seats.take(0);
        let first = noted(&seats, 0);
        assert_ne!(first, EMPTY);
        // This very thread again: it runs where the first one has noted.
        seats.take(1);
        let alone = process::move_on(|cpu| cpu as u32 + 1 == first).unwrap().is_none();
        assert_eq!(noted(&seats, 1) == first, alone);
    }

    #[test]
    fn a_guest_is_left_where_it_is_and_workers_make_way() {
        let seats = Seats::new(1);
        // The system may move this thread in between: not each time.
        let stayed = (0..1000).any(|_| {
            let here = process::processor();
            seats.note(0, here);
            seats.note_guest(0);
            noted(&seats, seats.guest()) == here as u32 + 1
        });
        assert!(stayed);
        assert!(seats.is_taken(0, noted(&seats, seats.guest()) as usize - 1));
    }

    #[test]
    fn a_worker_that_the_guest_has_displaced_is_sent_to_a_free_processor() {
        let seats = &Seats::new(2);
        let (end, ended) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || {
                seats.enter(0);
                seats.note(1, process::processor());
                let _ = ended.recv();
            });
            while noted(seats, 1) == EMPTY {
                std::thread::yield_now();
            }
            seats.leave(1);
            let alone = process::available_processors() == 1;
            // The system may move this thread in between: not each time.
            let sent = (0..1000).any(|_| {
                let here = process::processor();
                seats.note(0, here);
                seats.note_guest(2);
                let stayed = noted(seats, seats.guest()) == here as u32 + 1;
                stayed && !seats.has_noted(0, here)
            });
            assert!(sent || alone, "it waits for the guest's processor");
            assert_eq!(noted(seats, 1), EMPTY, "it was not there");
            drop(end);
            worker.join().unwrap();
        });
    }

    #[test]
    fn a_worker_that_moves_while_it_is_sent_away_may_run_where_it_could_before() {
        let seats = &Seats::new(2);
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || {
                seats.enter(0);
                let before = process::available_processors();
                for _ in 0..40_000 {
                    // Somebody else has noted the same.
                    seats.note(1, process::processor());
                    seats.take(0);
                }
                tell.send(()).unwrap();
                // Nobody sends it anywhere any more: its mask may be narrow for a moment while somebody does.
                let _ = ended.recv();
                (before, process::available_processors())
            });
            while told.try_recv().is_err() && !worker.is_finished() {
                if noted(seats, 0) != EMPTY {
                    seats.note(0, process::processor());
                    seats.note_guest(1);
                }
            }
            drop(end);
            let (before, after) = worker.join().unwrap();
            assert_eq!(after, before, "it was left on one processor");
        });
    }

    #[test]
    fn a_thread_that_has_quit_is_moved_no_more() {
        let seats = Seats::new(1);
        seats.enter(0);
        seats.quit(0);
        for _ in 0..1000 {
            let here = process::processor();
            // As a guest that has looked before it quit.
            seats.note(0, here);
            seats.note_guest(1);
            assert!(seats.has_noted(0, here), "this thread was taken for that of the worker");
        }
    }

    #[test]
    fn a_seat_that_was_left_is_nobodys() {
        let seats = Seats::new(1);
        seats.take(0);
        let first = noted(&seats, 0) as usize - 1;
        assert!(seats.is_taken(1, first) && !seats.is_taken(0, first));
        seats.leave(0);
        assert!(!seats.is_taken(1, first));
    }
}
