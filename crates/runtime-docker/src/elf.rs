//! Whether a program is static.

/// Whether an ELF file of this machine's kind asks for no loader: it has no `PT_INTERP` program header; see elf(5).
pub(crate) fn is_static(program: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let word = |at: usize, len: usize| -> Option<u64> {
        let bytes = program.get(at..at + len)?;
        Some(bytes.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    };
    let is_elf64 = program.starts_with(b"\x7fELF\x02\x01");
    let headers = || {
        let (start, size, count) = (word(0x20, 8)?, word(0x36, 2)?, word(0x38, 2)?);
        (0..count)
            .map(|index| word(usize::try_from(start + index * size).ok()?, 4))
            .collect::<Option<Vec<u64>>>()
    };
    is_elf64 && headers().is_some_and(|types| !types.contains(&PT_INTERP.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_needs_a_loader() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&this), "a test is linked dynamically");
        assert!(!is_static(b"#!/bin/sh\n"));
        assert!(!is_static(b"\x7fELF\x02\x01"));
    }
}
