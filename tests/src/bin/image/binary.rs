//! Reading of an ELF header as much as an image on `scratch` must know.

use thiserror::Error;

/// Why a binary cannot go into an image on `scratch`.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum BinaryError {
    /// Not a 64-bit little-endian ELF file, or a cut one.
    #[error("unable to read it as a 64-bit ELF file")]
    NotElf,
    /// A machine that Muster is not built for.
    #[error("unable to name the architecture of ELF machine {0}")]
    Machine(u16),
    /// It names an interpreter, which an image on `scratch` does not have.
    #[error("unable to run on scratch: it is linked dynamically")]
    Dynamic,
}

/// Offset and length of fields, and the values that count: the System V ABI's object file chapter.
const MACHINE: usize = 18;
const PROGRAM_HEADERS: usize = 32;
const PROGRAM_HEADER_SIZE: usize = 54;
const PROGRAM_HEADER_COUNT: usize = 56;
const INTERPRETER: [u8; 4] = 3_u32.to_le_bytes();

/// The architecture of a static ELF binary, by the name that images use.
pub(crate) fn architecture(elf: &[u8]) -> Result<&'static str, BinaryError> {
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return Err(BinaryError::NotElf);
    }
    let name = match u16::from_le_bytes(field(elf, MACHINE)?) {
        62 => "amd64",
        183 => "arm64",
        other => return Err(BinaryError::Machine(other)),
    };
    let mut at =
        usize::try_from(u64::from_le_bytes(field(elf, PROGRAM_HEADERS)?)).map_err(|_| BinaryError::NotElf)?;
    let size = usize::from(u16::from_le_bytes(field(elf, PROGRAM_HEADER_SIZE)?));
    for _ in 0..u16::from_le_bytes(field(elf, PROGRAM_HEADER_COUNT)?) {
        if field(elf, at)? == INTERPRETER {
            return Err(BinaryError::Dynamic);
        }
        at = at.saturating_add(size);
    }
    Ok(name)
}

fn field<const N: usize>(elf: &[u8], at: usize) -> Result<[u8; N], BinaryError> {
    elf.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(BinaryError::NotElf)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with one program header of the given type.
    fn elf(machine: u8, kind: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (bytes[MACHINE], bytes[PROGRAM_HEADERS], bytes[PROGRAM_HEADER_SIZE]) = (machine, 64, 56);
        (bytes[PROGRAM_HEADER_COUNT], bytes[64]) = (1, kind);
        bytes
    }

    #[test]
    fn static_binaries_pass_and_others_are_refused() {
        assert_eq!(architecture(&elf(62, 1)), Ok("amd64"));
        assert_eq!(architecture(&elf(183, 1)), Ok("arm64"));
        assert_eq!(architecture(&elf(243, 1)), Err(BinaryError::Machine(243)));
        assert_eq!(architecture(&elf(62, 3)), Err(BinaryError::Dynamic));
        assert_eq!(architecture(b"#!/bin/sh"), Err(BinaryError::NotElf));
        assert_eq!(architecture(&elf(62, 1)[..66]), Err(BinaryError::NotElf));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_very_test_is_linked_dynamically() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(architecture(&own), Err(BinaryError::Dynamic));
    }
}
