//! Host functions: what they are given they read and write in place, and every mistake is an error that names it.
mod common;

use common::dog;
use prewire_abi::{AccessMode, BackendKind, BufferDescriptor, BufferIdentity, TaskArgsView, Tensor};
use prewire_chip::{DataType, HostArgs, KernelError, Segments, SharedError, SharedMemory};
use prewire_sync::atomic::{AtomicU32, Ordering};
use std::sync::Barrier;

const ID: BufferIdentity = BufferIdentity::new(*b"host arg", 1, 1);

fn shared() -> (SharedMemory, Segments) {
    let memory = SharedMemory::new(prewire_os::Mapping::new(1 << 16).unwrap());
    let mut segments = Segments::new();
    segments.add(ID, 0x1000, &memory).unwrap();
    (memory, segments)
}

fn tensor(segments: &Segments, start: u64, shape: &[u32], access: AccessMode) -> Tensor {
    let bytes = shape.iter().map(|&n| u64::from(n)).product::<u64>() * 4;
    let buffer = segments.describe(ID, start, bytes, access).unwrap();
    Tensor::contiguous(buffer, 0, shape, DataType::F32).unwrap()
}

fn called<T>(
    segments: &Segments,
    tensors: &[Tensor],
    scalars: &[u64],
    call: impl FnOnce(&HostArgs<'_>) -> T,
) -> T {
    let args = TaskArgsView::new(bytemuck::cast_slice(tensors), bytemuck::cast_slice(scalars));
    call(&HostArgs::new(args, segments))
}

#[test]
fn a_function_reads_and_writes_where_its_arguments_are() {
    let _dog = dog();
    let (memory, segments) = shared();
    memory.view_mut::<f32>(4096, 6).unwrap().fill(2.0);
    let tensors = [
        tensor(&segments, 4096, &[2, 3], AccessMode::Read),
        tensor(&segments, 8192, &[2, 3], AccessMode::Write),
        tensor(&segments, 12, &[2], AccessMode::ReadWrite),
    ];
    called(&segments, &tensors, &[u64::from(3u32), 1.5f32.to_bits().into()], |args| {
        assert_eq!((args.tensors(), args.scalars()), (3, 2));
        assert_eq!((args.shape(0)?, args.dtype(1)?), (vec![2, 3], DataType::F32));
        let (n, by) = (args.scalar::<u32>(0)?, args.scalar::<f32>(1)?);
        let (from, mut to) = (args.input::<f32>(0)?, args.output::<f32>(1)?);
        for r in 0..from.rows() {
            for (to, from) in to.row_mut(r)?.iter_mut().zip(from.row(r)?) {
                *to = from * by + n as f32;
            }
        }
        let mut sums = args.inout::<f32>(2)?;
        let sum = to.iter().sum::<f32>() + sums.get(&[0]).unwrap_or(0.0);
        sums.set(&[0], sum)
    })
    .unwrap();
    assert_eq!(memory.view::<f32>(8192, 6).unwrap().to_vec(), [6.0; 6]);
    assert_eq!(memory.view::<f32>(12, 2).unwrap().to_vec(), [36.0, 0.0]);
}

/// Which is given back when the call is over.
fn leaks_a_view(args: &HostArgs<'_>) {
    std::mem::forget(args.output::<f32>(1).unwrap());
}

#[test]
fn each_mistake_is_an_error_of_its_own() {
    let _dog = dog();
    let (_memory, segments) = shared();
    let device =
        BufferDescriptor::at_address(ID, BackendKind::DeviceMalloc, 64, 64, AccessMode::ReadWrite).unwrap();
    let far =
        BufferDescriptor::at_address(ID, BackendKind::ForkShm, 0x1000, 1 << 17, AccessMode::Read).unwrap();
    let unknown = BufferIdentity::new(*b"host arg", 2, 1);
    let unknown =
        BufferDescriptor::at_address(unknown, BackendKind::ForkShm, 0x1000, 64, AccessMode::Read).unwrap();
    let odd = segments.describe(ID, 6, 64, AccessMode::Read).unwrap();
    let f32s = |buffer| Tensor::contiguous(buffer, 0, &[4], DataType::F32).unwrap();
    let tensors = [
        tensor(&segments, 0, &[4], AccessMode::Read),
        tensor(&segments, 64, &[4], AccessMode::Write),
        f32s(device),
        f32s(far),
        f32s(unknown),
        f32s(odd),
        bytemuck::pod_read_unaligned(&[0x42; 144]),
    ];
    called(&segments, &tensors, &[5], |args| {
        use KernelError as E;
        let error = |arg| args.input::<f32>(arg).unwrap_err();
        assert_eq!(error(7), E::NoTensor { arg: 7, tensors: 7 });
        assert_eq!(args.scalar::<u32>(1), Err(E::NoScalar { scalar: 1, scalars: 1 }));
        let wrong = args.input::<i32>(0).unwrap_err();
        assert_eq!(wrong, E::Dtype { arg: 0, tensor: DataType::F32, wanted: DataType::I32 });
        let written = args.output::<f32>(0).unwrap_err();
        assert!(
            written.to_string().contains("argument 0 was passed as INPUT, which a kernel must not write")
        );
        assert_eq!(args.inout::<f32>(0).unwrap_err(), written);
        let read = args.inout::<f32>(1).unwrap_err();
        assert!(read.to_string().contains("argument 1 was passed as OUTPUT_EXISTING"), "{read}");
        assert_eq!(error(2), E::Shared { arg: 2, error: SharedError::OnDevice { addr: 64 } });
        let outside = SharedError::Outside { start: 0, end: 1 << 17, size: 1 << 16 };
        assert_eq!(error(3), E::Shared { arg: 3, error: outside });
        assert!(
            error(4).to_string().starts_with("argument 4: segment 2 of owner 686f737420617267 is not known")
        );
        assert_eq!(error(5), E::Shared { arg: 5, error: SharedError::Misaligned { start: 6, size: 4 } });
        assert!(matches!(error(6), E::Shared { arg: 6, error: SharedError::Tensor(_) }));
        assert_eq!(args.shape(6).unwrap_err(), error(6));

        let view = args.output::<f32>(1).unwrap();
        assert_eq!(args.output::<f32>(1).unwrap_err(), E::Borrowed { arg: 1 });
        assert_eq!(error(1), E::Borrowed { arg: 1 });
        drop(view);
        let readers = (args.input::<f32>(1).unwrap(), args.input::<f32>(1).unwrap());
        assert_eq!(args.output::<f32>(1).unwrap_err(), E::Borrowed { arg: 1 });
        drop(readers);
        leaks_a_view(args);
    });
    assert_eq!(called(&segments, &tensors, &[], |args| args.output::<f32>(1).map(drop)), Ok(()));
}

#[test]
fn a_segment_is_known_once_and_forgotten_by_its_number() {
    let (memory, mut segments) = shared();
    let other = BufferIdentity::new(*b"host arg", 1, 2);
    assert_eq!(segments.add(other, 0x9000, &memory), Err(SharedError::Known { segment: 1 }));
    let old = tensor(&segments, 0, &[4], AccessMode::ReadWrite);
    segments.remove(ID);
    assert!(segments.is_empty());
    segments.add(other, 0x1000, &memory).unwrap();
    let stale = SharedError::Stale { segment: 1, named: 1, here: 2 };
    assert_eq!(segments.view::<f32>(&old).unwrap_err(), stale);
    assert_eq!(segments.describe(ID, 0, 1, AccessMode::Read), Err(stale));
    let outside = segments.describe(other, 1 << 16, 1, AccessMode::Read);
    assert!(matches!(outside, Err(SharedError::Outside { .. })));
    let read = segments.describe(other, 0, 16, AccessMode::Read).unwrap();
    let read = Tensor::contiguous(read, 0, &[4], DataType::F32).unwrap();
    assert_eq!(segments.view_mut::<f32>(&read).unwrap_err(), SharedError::ReadOnly);
    // A descriptor with a name speaks of the segment from its first byte on.
    let named = BufferDescriptor::posix_shm(other, "segment", 64, AccessMode::ReadWrite).unwrap();
    let named = Tensor::contiguous(named, 8, &[2], DataType::F32).unwrap();
    segments.view_mut::<f32>(&named).unwrap().fill(4.0);
    assert_eq!(memory.view::<f32>(0, 5).unwrap().to_vec(), [0.0, 0.0, 4.0, 4.0, 0.0]);
}

#[test]
fn two_threads_share_halves_and_one_of_them_gets_the_whole() {
    let _dog = dog();
    let (memory, segments) = shared();
    let (start, got, refusals) = (Barrier::new(2), AtomicU32::new(0), AtomicU32::new(0));
    let at_once = |half: u64| {
        let mine = [
            tensor(&segments, half * 64, &[16], AccessMode::ReadWrite),
            tensor(&segments, 4096, &[16], AccessMode::ReadWrite),
        ];
        for _ in 0..200 {
            called(&segments, &mine, &[], |args| {
                let mut own = args.inout::<f32>(0).unwrap();
                start.wait();
                let whole = args.inout::<f32>(1);
                own.as_mut_slice().unwrap().iter_mut().for_each(|x| *x += half as f32 + 1.0);
                let counts = if whole.is_ok() { &got } else { &refusals };
                counts.fetch_add(1, Ordering::Relaxed);
                // Both have tried before either lets go.
                start.wait();
                if let Err(error) = whole {
                    assert!(matches!(error, KernelError::Conflict { arg: 1, .. }), "{error}");
                }
            });
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| at_once(0));
        at_once(1);
    });
    assert_eq!((got.into_inner(), refusals.into_inner()), (200, 200));
    let halves = memory.view::<f32>(0, 32).unwrap().to_vec();
    assert_eq!(halves, [[200.0; 16], [400.0; 16]].concat());
}
