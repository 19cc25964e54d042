//! What an ELF file says of itself; see elf(5).

/// The beginning of a 64-bit file whose numbers begin with the lowest byte, which all machines here have.
const ELF64: &[u8] = b"\x7fELF\x02\x01";
/// `e_machine` of the machines that may be met, and what `uname -m` calls them.
const MACHINES: [(u64, &str); 5] =
    [(62, "x86_64"), (183, "aarch64"), (243, "riscv64"), (21, "ppc64le"), (258, "loongarch64")];

/// Whether an ELF file asks for no loader: it has no `PT_INTERP` program header.
pub(crate) fn is_static(program: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let headers = || {
        let (start, size, count) =
            (word(program, 0x20, 8)?, word(program, 0x36, 2)?, word(program, 0x38, 2)?);
        (0..count)
            .map(|index| {
                let at = index.checked_mul(size)?.checked_add(start)?;
                word(program, usize::try_from(at).ok()?, 4)
            })
            .collect::<Option<Vec<u64>>>()
    };
    program.starts_with(ELF64) && headers().is_some_and(|types| !types.contains(&PT_INTERP.into()))
}

/// The machine that an ELF file is for, as `uname -m` has it. None: no ELF file, or for none that is known here.
pub(crate) fn machine(program: &[u8]) -> Option<&'static str> {
    let number = word(program, 0x12, 2).filter(|_| program.starts_with(ELF64))?;
    MACHINES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// A number of `len` bytes. None: the file ends before.
fn word(file: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(len)?)?;
    Some(bytes.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_needs_a_loader() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&this), "a test is linked dynamically");
        assert!(!is_static(b"#!/bin/sh\n"));
        assert!(!is_static(ELF64));
        // Program headers where no file can have them.
        let mut hostile = [ELF64, &[0xff; 0x40]].concat();
        assert!(!is_static(&hostile));
        hostile[0x20..0x28].copy_from_slice(&(u64::MAX - 1).to_le_bytes());
        assert!(!is_static(&hostile));
    }

    #[test]
    fn knows_the_machine() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(machine(&this), Some(std::env::consts::ARCH));
        let of = |number: u16| [ELF64, &[0; 12], &number.to_le_bytes()].concat();
        assert_eq!(machine(&of(183)), Some("aarch64"));
        assert_eq!(machine(&of(9999)), None);
        assert_eq!(machine(b"#!/bin/sh, and more of that"), None);
        assert_eq!(machine(ELF64), None);
    }
}
