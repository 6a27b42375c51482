//! The blob codec: what parses encodes to the same bytes, and says of its counts what the bytes say.

use prewire_abi::{ArgsError, BlobView, TaskArgs, Tensor, TensorArgType, write_blob};

const HEADER: usize = 8;
const TENSOR: usize = 144;
const SCALAR: usize = 8;

pub(crate) fn check(bytes: &[u8]) {
    let Ok(blob) = BlobView::parse(bytes) else { return };
    let args = blob.args();
    let (tensors, scalars) = (args.tensor_count(), args.scalar_count());
    assert_eq!(blob.len(), HEADER + TENSOR * tensors + SCALAR * scalars);
    assert_eq!(blob.as_bytes(), &bytes[..blob.len()]);
    let counts = [tensors, scalars].map(|n| i32::try_from(n).expect("a count fits in its field"));
    assert_eq!([&counts[0].to_ne_bytes()[..], &counts[1].to_ne_bytes()].concat(), &bytes[..HEADER]);

    let mut again = vec![0xa5; blob.len() + 3];
    assert_eq!(args.write_blob(&mut again), Ok(blob.len()));
    assert_eq!((&again[..blob.len()], &again[blob.len()..]), (blob.as_bytes(), &[0xa5; 3][..]));
    let mut short = vec![0xa5; blob.len() - 1];
    assert!(args.write_blob(&mut short).is_err());
    assert!(short.iter().all(|&byte| byte == 0xa5), "a blob that does not fit was begun");

    assert_eq!((args.tensors().len(), args.scalars().len()), (tensors, scalars));
    assert!(args.tensor(tensors).is_err() && args.scalar(scalars).is_err());
    for (i, scalar) in args.scalars().enumerate() {
        assert_eq!(args.scalar(i), Ok(scalar));
    }
    let all: Result<Vec<Tensor>, ArgsError> = args.tensors().collect();
    assert_eq!(all.is_ok(), args.validate().is_ok());
    if let Ok(all) = all {
        rebuild(&all, &args.scalars().collect::<Vec<u64>>(), blob.as_bytes());
    }
}

/// Valid arguments make a submission again, whose blob is the one that was read.
fn rebuild(tensors: &[Tensor], scalars: &[u64], bytes: &[u8]) {
    let mut args = TaskArgs::new();
    for tensor in tensors {
        args.add_tensor(*tensor, TensorArgType::Input).expect("a valid tensor was refused");
    }
    for scalar in scalars {
        if args.add_scalar(*scalar).is_err() {
            assert!(args.scalars().len() >= prewire_abi::CHIP_MAX_SCALAR_ARGS);
            return;
        }
    }
    let mut again = vec![0; args.blob_len()];
    assert_eq!(write_blob(&args, &mut again), Ok(bytes.len()));
    assert_eq!(again, bytes);
    // Readers alone write nothing twice; whether they may read is the buffer's to say.
    let readable = tensors.iter().all(|t| t.buffer().access().is_ok_and(|access| access.can_read()));
    assert_eq!(args.validate_submit().is_ok(), readable);
}
