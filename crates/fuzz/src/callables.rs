//! Callables: what parses is rebuilt from its parts, and what is rebuilt parses to the same.

use crate::source::Source;
use prewire_abi::{ArgDirection, ChipCallable, ChipCallableParts, CoreCallable};

pub(crate) fn check(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let seed = source.u8();
    let mut kernels: Vec<Vec<u8>> = (0..seed % 3).map(|_| kernel(&mut source)).collect();
    let name = ["", "f", "a_name_that_is_just_as_long_as_it_may_be_in_a_header_of_this_kin"][source.below(3)];
    let signature = signature(&mut source);
    let binary = vec![7; source.below(40)];
    if seed & 0x80 == 0 {
        // A whole, and then some bytes of it changed.
        let children: Vec<(u32, &[u8])> =
            kernels.iter().map(|kernel| (source.u16().into(), kernel.as_slice())).collect();
        let parts = ChipCallableParts {
            signature: &signature,
            binary: &binary,
            func_name: name,
            config_name: "c",
            children: &children,
        };
        let Ok(mut whole) = ChipCallable::encode(&parts) else { return };
        chip(&whole);
        source.patch(&mut whole);
        chip(&whole);
    } else if seed & 0x40 == 0 {
        let mut whole = kernels.pop().unwrap_or_default();
        source.patch(&mut whole);
        core(&whole);
    } else {
        core(source.rest());
    }
}

fn signature(source: &mut Source<'_>) -> Vec<ArgDirection> {
    (0..source.below(40)).map(|i| ArgDirection::ALL[i % ArgDirection::ALL.len()]).collect()
}

fn kernel(source: &mut Source<'_>) -> Vec<u8> {
    let signature = signature(source);
    CoreCallable::encode(&signature, &vec![9; source.below(100)]).unwrap_or_default()
}

/// What a kernel says of itself, rebuilt.
fn core(bytes: &[u8]) {
    let Ok(kernel) = CoreCallable::parse(bytes) else { return };
    assert_eq!(kernel.as_bytes(), &bytes[..kernel.as_bytes().len()]);
    assert_eq!(kernel.binary().len() + CoreCallable::BINARY_OFFSET, kernel.as_bytes().len());
    let signature: Vec<ArgDirection> = kernel.signature().collect();
    let again = CoreCallable::encode(&signature, kernel.binary()).expect("what parses can be built");
    // The fields that count are the same bytes; the numbers behind the signature, and the gap, mean nothing.
    assert_eq!(again[..signature.len() * 4], bytes[..signature.len() * 4]);
    assert_eq!(again[128..136], bytes[128..136]);
    assert_eq!(again[CoreCallable::BINARY_OFFSET..], bytes[CoreCallable::BINARY_OFFSET..again.len()]);
    let once_more = CoreCallable::parse(&again).expect("what was built parses");
    assert!(once_more.signature().eq(signature) && once_more.as_bytes() == again);
}

/// A callable of which only the start is known: it is found in what is there, and nothing behind it is read.
fn without_end(bytes: &[u8]) {
    let parsed = ChipCallable::parse(bytes);
    match host_runtime::host::bytes_of(&bytes) {
        Ok(found) => {
            assert!(bytes.starts_with(&found), "what was found is not what is there");
            assert_eq!(ChipCallable::parse(&found).is_ok(), parsed.is_ok(), "the end makes a difference");
            assert!(
                host_runtime::host::bytes_of(&&found[..found.len() - 1]).is_err(),
                "more was read than is needed"
            );
        }
        Err(error) => assert!(parsed.is_err() && !error.to_string().is_empty(), "{error}"),
    }
}

/// What an orchestration says of itself, rebuilt.
fn chip(bytes: &[u8]) {
    without_end(bytes);
    let Ok(callable) = ChipCallable::parse(bytes) else { return };
    let signature: Vec<ArgDirection> = callable.signature().collect();
    let kernels: Vec<_> = callable.children().collect();
    assert_eq!(kernels.len(), callable.child_count(), "a child that was checked is gone");
    for (_, kernel) in &kernels {
        core(kernel.as_bytes());
        let (inside, all) = (kernel.as_bytes().as_ptr_range(), bytes.as_ptr_range());
        assert!(inside.start >= all.start && inside.end <= all.end, "a child is outside of its callable");
    }
    let children: Vec<(u32, &[u8])> = kernels.iter().map(|(id, kernel)| (*id, kernel.as_bytes())).collect();
    let parts = ChipCallableParts {
        signature: &signature,
        binary: callable.binary(),
        func_name: callable.func_name(),
        config_name: callable.config_name(),
        children: &children,
    };
    let again = ChipCallable::encode(&parts).expect("what parses can be built");
    let read = ChipCallable::parse(&again).expect("what was built parses");
    assert!(read.signature().eq(signature.iter().copied()));
    assert_eq!((read.func_name(), read.config_name()), (callable.func_name(), callable.config_name()));
    assert_eq!((read.binary(), read.child_count()), (callable.binary(), callable.child_count()));
    for ((id, kernel), (id_again, kernel_again)) in kernels.iter().zip(read.children()) {
        assert_eq!((*id, kernel.as_bytes()), (id_again, kernel_again.as_bytes()));
    }
    // Built from what was built: the same bytes.
    let children: Vec<(u32, CoreCallable<'_>)> = read.children().collect();
    let children: Vec<(u32, &[u8])> = children.iter().map(|(id, kernel)| (*id, kernel.as_bytes())).collect();
    let twice = ChipCallable::encode(&ChipCallableParts { children: &children, ..parts });
    assert_eq!(twice.as_ref(), Ok(&again));
}
