//! The kernels of the oracle's programs. Invariant: a kernel writes exactly the rows of its sub-task, and notes that it
//! ran before it does anything else.

use std::sync::{Arc, Mutex, PoisonError};

use prewire_chip::{Chip, ChipBuilder, Core, Element, Kernel, KernelCtx, KernelError, Mix, Place, Result};

use crate::oracle::arithmetic;
use crate::oracle::program::{Cores, Kind};

/// Which sub-tasks ran: task and sub-task.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<(u64, u32)>>);

impl Log {
    fn note(&self, number: u64, sub: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((number, sub));
    }

    pub(crate) fn take(&self) -> Vec<(u64, u32)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The kernels, registered with a chip.
#[derive(Debug)]
pub(crate) struct Kit {
    pub(crate) aic: Kernel,
    pub(crate) aiv: Kernel,
    /// By their places as bits: AIC, first AIV, second AIV.
    pub(crate) mixes: [Option<Kernel>; 8],
    pub(crate) log: Arc<Log>,
}

impl Kit {
    /// A chip with the kernels on it.
    pub(crate) fn on(builder: ChipBuilder) -> Result<(Chip, Self)> {
        let chip = builder.build()?;
        let log = Arc::new(Log::default());
        let body = || {
            let log = Arc::clone(&log);
            move |k: &mut KernelCtx<'_>| step(k, &log)
        };
        let aic = chip.kernel("aic", Core::Aic, body())?;
        let aiv = chip.kernel("aiv", Core::Aiv, body())?;
        let mut mixes = [const { None }; 8];
        for bits in [3, 5, 6, 7] {
            let part = |bit: usize, kernel| (bits >> bit & 1 != 0).then_some(kernel);
            let mix = Mix { aic: part(0, &aic), aiv0: part(1, &aiv), aiv1: part(2, &aiv) };
            mixes[bits] = Some(chip.mix(&format!("mix{bits}"), mix)?);
        }
        Ok((chip, Self { aic, aiv, mixes, log }))
    }

    /// The kernel for such cores; none for a dummy.
    pub(crate) fn kernel(&self, cores: Cores) -> Option<&Kernel> {
        match cores {
            Cores::Dummy => None,
            Cores::Aic => Some(&self.aic),
            Cores::Aiv => Some(&self.aiv),
            Cores::Mix(bits) => self.mixes[usize::from(bits)].as_ref(),
        }
    }
}

/// Elements of the three kinds, as wide integers.
pub(crate) trait Word: Element {
    fn wide(self) -> i64;
    fn narrow(value: i64) -> Self;
}

macro_rules! words {
    ($($type:ty),+) => {$(
        impl Word for $type {
            fn wide(self) -> i64 {
                i64::from(self)
            }
            fn narrow(value: i64) -> Self {
                value as Self
            }
        }
    )+};
}

words!(u8, i32, i64);

/// Calls a function that is generic over the element type.
macro_rules! by_kind {
    ($kind:expr, $function:ident ( $($arg:expr),* )) => {
        match $kind {
            Kind::U8 => $function::<u8>($($arg),*),
            Kind::I32 => $function::<i32>($($arg),*),
            Kind::I64 => $function::<i64>($($arg),*),
        }
    };
}
pub(crate) use by_kind;

/// Rows of an argument: which argument, and from where to where; none for all of it.
#[derive(Clone, Copy)]
struct Part {
    arg: usize,
    rows: Option<(u32, u32)>,
}

impl Part {
    fn offsets(self, shape: &mut [u32]) -> Vec<u32> {
        let mut offsets = vec![0; shape.len()];
        if let Some((from, end)) = self.rows {
            offsets[0] = from;
            shape[0] = end - from;
        }
        offsets
    }
}

fn values<T: Word>(k: &KernelCtx<'_>, part: Part) -> Result<Vec<i64>, KernelError> {
    let view = if part.rows.is_some() {
        let mut shape = k.shape(part.arg)?;
        let offsets = part.offsets(&mut shape);
        k.input_at::<T>(part.arg, &offsets, &shape)?
    } else {
        k.input::<T>(part.arg)?
    };
    linger(k);
    Ok(view.iter().map(T::wide).collect())
}

/// Lets others run while a view is held: now and then, for a while that differs from task to task.
fn linger(k: &KernelCtx<'_>) {
    for _ in 0..dice(k, 5) / 4 {
        std::thread::yield_now();
    }
}

/// A number from 0 to 15 that differs from task to task.
fn dice(k: &KernelCtx<'_>, salt: u64) -> u64 {
    (k.task().raw() + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60
}

/// Replaces each element of the part by what `becomes` says of its value and its position in the argument.
fn replace<T: Word>(
    k: &KernelCtx<'_>,
    part: Part,
    becomes: &dyn Fn(i64, usize) -> i64,
) -> Result<(), KernelError> {
    let mut shape = k.shape(part.arg)?;
    let offsets = part.offsets(&mut shape);
    let mut view = match part.rows {
        Some(_) => k.output_at::<T>(part.arg, &offsets, &shape)?,
        None => k.output::<T>(part.arg)?,
    };
    linger(k);
    let first = offsets[0] as usize * shape[1..].iter().product::<u32>() as usize;
    for at in 0..view.len() {
        let (mut rest, mut index) = (at, vec![0; shape.len()]);
        for (i, &n) in index.iter_mut().zip(&shape).rev() {
            (*i, rest) = (rest % n as usize, rest / n as usize);
        }
        let old = view.get(&index).ok_or_else(|| KernelError::new("an index inside a view is not"))?;
        view.set(&index, T::narrow(becomes(old.wide(), first + at)))?;
    }
    Ok(())
}

fn step(k: &KernelCtx<'_>, log: &Log) -> Result<(), KernelError> {
    let (number, plan, fault) = (k.scalar::<u64>(0)?, k.scalar::<u64>(1)?, k.scalar::<u64>(2)?);
    let places = (plan >> 40 & 7) as u32;
    let (width, rank) = match k.place() {
        _ if places == 0 => (1, 0),
        Place::Aic => (places.count_ones(), 0),
        Place::Aiv0 => (places.count_ones(), places & 1),
        Place::Aiv1 => (places.count_ones(), (places & 3).count_ones()),
    };
    let (sub, total) = (k.block() * width + rank, k.blocks() * width);
    log.note(number, sub);
    // Now and then a task takes long, so that others, and the orchestration, overtake it.
    for _ in 0..dice(k, 17).saturating_sub(12) * 4000 {
        std::hint::spin_loop();
    }
    match fault & 0xFF {
        1 => return Err(KernelError::new(format!("task {number} fails"))),
        3 => panic!("oracle: task {number} panics"),
        4 if fault >> 8 == u64::from(sub) => return Err(KernelError::new(format!("task {number} fails"))),
        _ => {}
    }

    let args: Vec<(usize, Kind, u64)> = (0..k.tensors())
        .map(|arg| (arg, plan >> (4 * arg) & 15))
        .map(|(arg, bits)| (arg, Kind::ALL[(bits & 3) as usize], bits >> 2))
        .collect();
    let mut read = 0i64;
    for &(arg, kind, _) in args.iter().filter(|(_, _, how)| *how == 1) {
        let values = by_kind!(kind, values(k, Part { arg, rows: None }))?;
        read = read.wrapping_add(arithmetic::read(arg, arithmetic::digest(values)));
    }
    let part = |arg: usize, from: u32, end: u32| -> Result<Part, KernelError> {
        let rows = (total > 1).then(|| k.shape(arg).map(|s| arithmetic::rows(s[0], from, end, total)));
        Ok(Part { arg, rows: rows.transpose()? })
    };
    for &(arg, kind, how) in args.iter().filter(|(_, _, how)| how & 2 != 0) {
        let becomes = |old, at| arithmetic::write(number, read, at, (how & 1 != 0).then_some(old));
        by_kind!(kind, replace(k, part(arg, sub, sub + 1)?, &becomes))?;
    }
    if plan >> 48 & 1 != 0 {
        let cohort = plan >> 49 & 1 != 0;
        let meet = || if cohort { k.cohort_barrier() } else { k.cluster_barrier() };
        let (from, end) = if cohort { (0, total) } else { (sub - rank, sub - rank + width) };
        meet()?;
        let mut groups = Vec::new();
        for &(arg, kind, how) in &args {
            let all = part(arg, from, end)?;
            groups.push(if how & 2 != 0 { arithmetic::digest(by_kind!(kind, values(k, all))?) } else { 0 });
        }
        meet()?;
        for &(arg, kind, _) in args.iter().filter(|(_, _, how)| how & 2 != 0) {
            let becomes = |value, _| arithmetic::exchange(value, groups[arg]);
            by_kind!(kind, replace(k, part(arg, sub, sub + 1)?, &becomes))?;
        }
    }
    if fault == 2 {
        return Err(KernelError::new(format!("task {number} fails")));
    }
    Ok(())
}
