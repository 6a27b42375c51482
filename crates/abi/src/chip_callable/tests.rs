//! Chip callables: the layout, each wrong field, and bytes at random.

use super::*;
use alloc::string::String;
use proptest::prelude::*;

fn kernel(code: &[u8]) -> Vec<u8> {
    CoreCallable::encode(&[ArgDirection::In, ArgDirection::Out], code).unwrap()
}

fn sample() -> Vec<u8> {
    let (a, b) = (kernel(&[1; 70]), kernel(&[2; 3]));
    ChipCallable::encode(&ChipCallableParts {
        signature: &[ArgDirection::In, ArgDirection::InOut, ArgDirection::Scalar],
        binary: &[7; 100],
        func_name: "build_graph",
        config_name: "configure",
        children: &[(5, &a), (1023, &b)],
    })
    .unwrap()
}

#[test]
fn the_layout_is_that_of_the_header() {
    let bytes = sample();
    let header: ChipCallableHeader = bytemuck::pod_read_unaligned(&bytes[..STORAGE]);
    assert_eq!((header.sig_count, header.binary_size, header.child_count), (3, 100, 2));
    assert_eq!((header.func_name_len, header.config_name_len), (11, 9));
    assert_eq!(&header.child_func_ids[..3], &[5, 1023, 0]);
    // The library ends at 100; the first kernel has 192 + 70 bytes.
    assert_eq!(&header.child_offsets[..3], &[128, 448, 0]);
    assert_eq!(&bytes[STORAGE..STORAGE + 100], &[7; 100]);
    assert_eq!(&bytes[STORAGE + 128 + 192..][..70], &[1; 70]);
    assert_eq!(bytes.len(), STORAGE + 448 + 192 + 3);
}

#[test]
fn what_is_built_is_read() {
    let bytes = sample();
    let callable = ChipCallable::parse(&bytes).unwrap();
    assert!(callable.signature().eq([ArgDirection::In, ArgDirection::InOut, ArgDirection::Scalar]));
    assert_eq!((callable.func_name(), callable.config_name()), ("build_graph", "configure"));
    assert_eq!((callable.binary(), callable.child_count()), (&[7; 100][..], 2));
    let children: Vec<(u32, &[u8])> = callable.children().map(|(id, k)| (id, k.binary())).collect();
    assert_eq!(children, [(5, &[1; 70][..]), (1023, &[2; 3][..])]);
}

#[test]
fn each_wrong_field_has_its_error() {
    use CallableError as E;
    let with = |offset: usize, value: i32| {
        let mut bytes = sample();
        bytes[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
        ChipCallable::parse(&bytes).map(drop).unwrap_err()
    };
    let count = |field, offset, value, max| E::Count { field, offset, value, max };
    assert_eq!(with(SIG_COUNT, 257), count("sig_count", SIG_COUNT, 257, 256));
    assert!(matches!(with(4, -7), E::Direction { index: 1, offset: 4, error } if error.value == -7));
    assert_eq!(with(CHILD_COUNT, 1025), count("child_count", CHILD_COUNT, 1025, 1024));
    assert_eq!(with(CHILD_COUNT, -1), count("child_count", CHILD_COUNT, -1, 1024));
    assert_eq!(with(FUNC_NAME_LEN, 64), count("func_name", FUNC_NAME_LEN, 64, 63));
    assert_eq!(with(FUNC_NAME_LEN, 10), E::Name { field: "func_name", offset: FUNC_NAME + 10 });
    assert_eq!(with(FUNC_NAME_LEN, 12), E::Name { field: "func_name", offset: FUNC_NAME + 11 });
    assert_eq!(with(CONFIG_NAME, -1), E::Name { field: "config_name", offset: CONFIG_NAME });
    assert!(matches!(with(BINARY_SIZE, -1), E::Short { what: "orchestration library", .. }));
    assert_eq!(
        with(CHILD_FUNC_IDS, 1024),
        E::FuncId { child: 0, offset: CHILD_FUNC_IDS, value: 1024, max: 1024 }
    );
    assert!(matches!(with(CHILD_FUNC_IDS + 4, -1), E::FuncId { child: 1, value: -1, .. }));
    let place = |value| E::ChildOffset { child: 1, offset: CHILD_OFFSETS + 4, value, min: 100, align: 64 };
    assert_eq!(with(CHILD_OFFSETS + 4, 449), place(449));
    assert_eq!(with(CHILD_OFFSETS + 4, 64), place(64));
    let far = E::Short { what: "kernel header", offset: STORAGE + 6400, need: 144, have: 0 };
    assert_eq!(with(CHILD_OFFSETS + 4, 6400), far);
    // Inside a child, offsets are still those of the whole buffer.
    let inner = STORAGE + 448;
    assert_eq!(with(inner + 128, 99), count("sig_count", inner + 128, 99, 32));
    let cut = E::Short { what: "kernel binary", offset: inner + 192, need: 4, have: 3 };
    assert_eq!(with(inner + 132, 4), cut);
    let library = E::Short { what: "chip callable header", offset: 0, need: 9376, have: 9375 };
    assert_eq!(ChipCallable::parse(&[0; STORAGE - 1]).map(drop), Err(library));
}

#[test]
fn what_does_not_fit_is_not_built() {
    use CallableError as E;
    let k = kernel(&[]);
    let many = [(0, &k[..]); 1025];
    let long: String = "x".repeat(64);
    let build = |parts: ChipCallableParts<'_>| ChipCallable::encode(&parts).map(drop);
    let parts = ChipCallableParts::default();
    assert!(matches!(
        build(ChipCallableParts { children: &many, ..parts }),
        Err(E::Count { field: "child_count", value: 1025, .. })
    ));
    assert_eq!(build(ChipCallableParts { children: &many[..1024], ..parts }), Ok(()));
    assert!(matches!(
        build(ChipCallableParts { signature: &[ArgDirection::In; 257], ..parts }),
        Err(E::Count { field: "sig_count", value: 257, .. })
    ));
    assert!(matches!(build(ChipCallableParts { func_name: &long, ..parts }), Err(E::Count { .. })));
    assert_eq!(build(ChipCallableParts { func_name: &long[..63], ..parts }), Ok(()));
    assert!(matches!(build(ChipCallableParts { config_name: "a\0", ..parts }), Err(E::Name { .. })));
    assert!(matches!(build(ChipCallableParts { children: &[(1024, &k)], ..parts }), Err(E::FuncId { .. })));
    assert!(matches!(
        build(ChipCallableParts { children: &[(0, &k[..100])], ..parts }),
        Err(E::Short { .. })
    ));
}

/// What a callable says, rebuilt.
fn rebuilt(callable: &ChipCallable<'_>) -> Vec<u8> {
    let signature: Vec<ArgDirection> = callable.signature().collect();
    let children: Vec<(u32, &[u8])> = callable.children().map(|(id, k)| (id, k.as_bytes())).collect();
    assert_eq!(children.len(), callable.child_count());
    ChipCallable::encode(&ChipCallableParts {
        signature: &signature,
        binary: callable.binary(),
        func_name: callable.func_name(),
        config_name: callable.config_name(),
        children: &children,
    })
    .unwrap()
}

#[test]
fn a_built_callable_rebuilds_to_the_same_bytes() {
    let bytes = sample();
    assert_eq!(rebuilt(&ChipCallable::parse(&bytes).unwrap()), bytes);
}

/// The places where a changed byte matters.
fn place() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..16usize,
        SIG_COUNT..CHILD_FUNC_IDS + 12,
        CHILD_OFFSETS..CHILD_OFFSETS + 12,
        CHILD_COUNT..STORAGE,
        STORAGE + 128..STORAGE + 136,
        STORAGE + 128 + 128..STORAGE + 128 + 136,
        STORAGE + 448..STORAGE + 643,
    ]
}

proptest! {
    #[test]
    fn whatever_is_accepted_says_the_same_when_rebuilt(changes in prop::collection::vec((place(), any::<u8>()), 1..4)) {
        let mut bytes = sample();
        for (at, to) in changes {
            bytes[at] = to;
        }
        if let Ok(callable) = ChipCallable::parse(&bytes) {
            let again = rebuilt(&callable);
            let read = ChipCallable::parse(&again).unwrap();
            prop_assert!(read.signature().eq(callable.signature()));
            prop_assert_eq!((read.func_name(), read.config_name()), (callable.func_name(), callable.config_name()));
            prop_assert_eq!(read.binary(), callable.binary());
            let same = read.children().zip(callable.children()).all(|((i, a), (j, b))| {
                i == j && a.as_bytes() == b.as_bytes()
            });
            prop_assert!(same && read.child_count() == callable.child_count());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 9300..9700), count in -1i32..1030) {
        let mut bytes = bytes;
        let _ = ChipCallable::parse(&bytes).map(drop);
        bytes[..CHILD_COUNT].fill(0);
        bytes[CHILD_COUNT..CHILD_COUNT + 4].copy_from_slice(&count.to_ne_bytes());
        bytes.iter_mut().skip(CONFIG_NAME).take(80).for_each(|b| *b = 0);
        if let Ok(callable) = ChipCallable::parse(&bytes) {
            prop_assert_eq!(callable.children().count(), callable.child_count());
        }
    }
}
