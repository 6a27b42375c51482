//! The mailbox alone: what a post and an outcome cost the parent, and the round trip of an empty task to a thread and
//! back while both sides look by themselves. No process, no scheduler.

use criterion::{Criterion, criterion_group, criterion_main};
use prewire_abi::TaskArgs;
use prewire_mailbox::{Area, Call, Generation, Work};
use prewire_os::Mapping;
use prewire_sync::hint::spin_loop;

fn area() -> Area<Mapping> {
    let memory = Mapping::new(Area::<Mapping>::bytes_for(1)).expect("there is memory");
    let area = Area::create(memory, 1).expect("it is long enough");
    area.parent(0).expect("there is one child").arm(Generation::FIRST).expect("it is the first");
    area
}

/// One thread is both sides: nothing moves between caches.
fn one_thread(c: &mut Criterion) {
    let area = area();
    let (parent, child) = (area.parent(0).expect("there is one child"), area.child(0, Generation::FIRST));
    let child = child.expect("it is expected");
    let _ = child.ready();
    let mut args = TaskArgs::new();
    args.add_scalar(1).expect("there is room for one");
    let mut group = c.benchmark_group("mailbox on one thread");
    group.bench_function("post and retract", |b| {
        b.iter(|| {
            parent.post(0, &Call::default(), args.view()).expect("the frame is free");
            assert!(parent.retract(0));
        });
    });
    group.bench_function("post, take, finish, take the news, reap", |b| {
        b.iter(|| {
            parent.post(0, &Call::default(), args.view()).expect("the frame is free");
            let Some(Work::Task(task)) = child.look() else { unreachable!("it was posted") };
            let _ = task.finish();
            assert!(area.block().take_news() != 0 && parent.reap(0).is_some());
        });
    });
    group.finish();
}

/// The child on a thread of its own, the parent attending.
fn round_trip(c: &mut Criterion) {
    let area = area();
    let parent = area.parent(0).expect("there is one child");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let child = area.child(0, Generation::FIRST).expect("it is expected");
            let _ = child.ready();
            while let Some(Work::Task(task)) = child.wait(None) {
                let _ = task.finish();
            }
            let _ = child.leave();
        });
        let _ = parent.wait_started(None);
        let _ = area.block().take_news();
        let attend = area.block().attend().expect("nobody else does");
        let args = TaskArgs::new();
        c.bench_function("mailbox round trip, hot", |b| {
            b.iter(|| {
                parent.post(0, &Call::default(), args.view()).expect("the frame is free");
                while area.block().take_news() == 0 {
                    spin_loop();
                }
                assert!(parent.reap(0).is_some());
            });
        });
        let _ = attend.stop();
        parent.shut_down();
    });
}

criterion_group!(benches, one_thread, round_trip);
criterion_main!(benches);
