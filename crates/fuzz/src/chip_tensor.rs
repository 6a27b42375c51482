//! Chip tensors: what validates is inside its buffer, and so is every view of a view, element by element.

use crate::reach::Reach;
use crate::source::Source;
use prewire_abi::{ChipTensor, DataType, ViewError};

/// More views of views than this show nothing new.
const DEEPEST: usize = 16;

pub(crate) fn check(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let raw = source.u8().is_multiple_of(4);
    let Some(mut tensor) =
        (if raw { Some(bytemuck::pod_read_unaligned(&source.array::<128>())) } else { build(&mut source) })
    else {
        return;
    };
    getters(&tensor);
    let mut depth = 0;
    while source.has_more() && depth < DEEPEST {
        depth += 1;
        let Ok((view, expected)) = view(&tensor, &mut source) else { continue };
        getters(&view);
        // A record that is not valid may be viewed, and still no view of it leaves the buffer.
        let reach = reach(&view).expect("a view has a type");
        assert!(
            reach.is_empty() || reach.end() <= u128::from(tensor.buffer_size()),
            "{tensor:?} to {view:?}"
        );
        assert_eq!((view.buffer_addr(), view.buffer_size()), (tensor.buffer_addr(), tensor.buffer_size()));
        assert_eq!((view.owner_task_id(), view.version()), (tensor.owner_task_id(), tensor.version()));
        assert_eq!(view.is_manual_dep(), tensor.is_manual_dep());
        if tensor.validate().is_ok() {
            assert_eq!(view.validate(), Ok(()), "{tensor:?} to {view:?}");
            if let Some(expected) = expected {
                assert_eq!(reach.places(), Some(expected), "{tensor:?} to {view:?}");
            }
        }
        tensor = view;
    }
}

fn build(source: &mut Source<'_>) -> Option<ChipTensor> {
    let dtype = DataType::ALL[source.below(DataType::ALL.len())];
    let ndims = source.below(6);
    let (addr, size, start) = (source.size(), source.u16(), source.size());
    let (shape, strides) = (source.sizes(ndims), source.sizes(ndims));
    match source.u8() % 3 {
        0 => ChipTensor::contiguous(addr.into(), &shape, dtype).ok(),
        1 => ChipTensor::strided(addr.into(), &shape, &strides, dtype).ok(),
        _ => ChipTensor::in_buffer(addr.into(), size.into(), start.into(), &shape, &strides, dtype).ok(),
    }
}

fn reach(tensor: &ChipTensor) -> Option<Reach> {
    let element = u128::from(tensor.dtype().ok()?.size());
    let start = u128::from(tensor.start_offset()) * element;
    Some(Reach { start, shape: tensor.shape().to_vec(), strides: tensor.strides().to_vec(), element })
}

/// No getter panics on any bytes, and on a valid record they are exact.
fn getters(tensor: &ChipTensor) {
    let range = tensor.byte_range();
    assert!(range.start <= range.end && tensor.ndims() <= 5);
    let _ = (tensor.start_addr(), tensor.numel(), tensor.extent(), tensor.is_empty(), format!("{tensor:?}"));
    if tensor.validate().is_err() {
        return;
    }
    let reach = reach(tensor).expect("a valid tensor has a type");
    assert_eq!(reach.is_empty(), tensor.is_empty());
    assert_eq!(u128::from(tensor.numel()), if reach.is_empty() { 0 } else { reach.count() });
    if reach.is_empty() {
        assert_eq!(tensor.extent(), 0, "{tensor:?}");
        return;
    }
    assert!(reach.end() <= u128::from(tensor.buffer_size()), "{tensor:?}");
    assert_eq!((u128::from(range.start), u128::from(range.end)), (reach.start, reach.end()), "{tensor:?}");
    assert_eq!(u128::from(tensor.start_addr()), u128::from(tensor.buffer_addr()) + reach.start);
}

/// One view, with where its elements are by the places of the elements that it was made of.
type Viewed = (ChipTensor, Option<Vec<u128>>);

fn view(tensor: &ChipTensor, source: &mut Source<'_>) -> Result<Viewed, ViewError> {
    let ndims = tensor.ndims();
    let (dim, other) = (source.below(7), source.below(7));
    let places = reach(tensor).and_then(|reach| reach.places());
    // The index of each element, in order, with its place.
    let indexed = || {
        places
            .as_ref()
            .map(|places| places.iter().copied().enumerate().map(|(i, at)| (index(tensor.shape(), i), at)))
    };
    match source.u8() % 5 {
        0 => {
            let (sizes, offsets) = (source.sizes(ndims), source.sizes(ndims));
            let view = tensor.view(&sizes, &offsets)?;
            let within = |index: &[u32]| {
                index.iter().zip(offsets.iter().zip(&sizes)).all(|(&i, (&o, &n))| i >= o && i - o < n)
            };
            let kept =
                indexed().map(|all| all.filter(|(index, _)| within(index)).map(|(_, at)| at).collect());
            Ok((view, kept))
        }
        1 => {
            let (start, stop, step) = (source.size(), source.size(), source.size());
            let view = tensor.slice(dim, start, stop, step)?;
            let on = |i: u32| i >= start && i < stop && (i - start).is_multiple_of(step);
            let kept =
                indexed().map(|all| all.filter(|(index, _)| on(index[dim])).map(|(_, at)| at).collect());
            Ok((view, kept))
        }
        2 => {
            let view = tensor.transpose(dim, other)?;
            let mut order: Vec<usize> = (0..ndims).collect();
            order.swap(dim, other);
            Ok((view, permuted(tensor, &order)))
        }
        3 => {
            let order: Vec<usize> = (0..ndims).map(|_| source.below(6)).collect();
            let view = tensor.permute(&order)?;
            Ok((view, permuted(tensor, &order)))
        }
        _ => {
            let count = source.below(7);
            let shape = source.sizes(count);
            Ok((tensor.reshape(&shape)?, places))
        }
    }
}

/// The index of element `number` of `shape`, counted row after row.
fn index(shape: &[u32], number: usize) -> Vec<u32> {
    let mut left = number as u64;
    let mut index = vec![0; shape.len()];
    for (i, &n) in index.iter_mut().zip(shape).rev() {
        *i = (left % u64::from(n.max(1))) as u32;
        left /= u64::from(n.max(1));
    }
    index
}

/// The places in the order of a permuted view.
fn permuted(tensor: &ChipTensor, order: &[usize]) -> Option<Vec<u128>> {
    let places = reach(tensor)?.places()?;
    let mut keyed: Vec<(Vec<u32>, u128)> = (places.into_iter().enumerate())
        .map(|(i, at)| {
            let index = index(tensor.shape(), i);
            (order.iter().map(|&dim| index[dim]).collect(), at)
        })
        .collect();
    keyed.sort();
    Some(keyed.into_iter().map(|(_, at)| at).collect())
}
