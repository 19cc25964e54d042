//! The host's program for the engine's machine, which may be another than this server's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use parallax_api::{Code, Problem};
use sha2::{Digest, Sha256};

use crate::elf;

/// A host's program that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostProgram {
    pub(crate) path: PathBuf,
    /// Bytes.
    pub(crate) size: usize,
    /// SHA-256 in hexadecimal.
    pub(crate) digest: String,
}

/// Where hosts' programs are: the one that was named or found, and those for other machines beside it, called
/// `parallax-agent-host-MACHINE` as `uname -m` says MACHINE.
#[derive(Clone, Debug)]
pub(crate) struct HostPrograms {
    first: PathBuf,
}

impl HostPrograms {
    /// # Errors
    /// When `first` cannot be read or needs a loader: it runs in images that have nothing else.
    pub(crate) fn new(first: PathBuf) -> anyhow::Result<Self> {
        let bytes = fs::read(&first).with_context(|| format!("failed to read {}", first.display()))?;
        anyhow::ensure!(
            elf::is_static(&bytes),
            "{} is not a static program, and would not run in every image; `make host` builds one that is",
            first.display()
        );
        Ok(Self { first })
    }

    /// The program for this machine. Fails with `UNSUPPORTED`, saying where it was looked for.
    pub(crate) fn find(&self, machine: &str) -> Result<HostProgram, Problem> {
        // What an engine says becomes part of a path.
        let is_name = !machine.is_empty() && machine.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let beside = is_name.then(|| {
            let name = self.first.file_name().unwrap_or_default().to_string_lossy();
            self.first.with_file_name(format!("{name}-{machine}"))
        });
        let fitting = |path: &Path| {
            let bytes = fs::read(path).ok()?;
            let fits = elf::machine(&bytes) == Some(machine) && elf::is_static(&bytes);
            fits.then(|| HostProgram {
                path: path.to_owned(),
                size: bytes.len(),
                digest: hex::encode(Sha256::digest(&bytes)),
            })
        };
        fitting(&self.first).or_else(|| fitting(beside.as_deref()?)).ok_or_else(|| {
            let also = beside.map(|path| format!(", and {} is none", path.display())).unwrap_or_default();
            Problem::new(
                Code::Unsupported,
                format!(
                    "the Docker engine's machine is `{machine}`: {} is no static program for it{also}; \
                     build one there (`make host`), or name it with --agent-host",
                    self.first.display()
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// As much of a static program as is looked at.
    fn program(dir: &Path, name: &str, machine: u16) -> PathBuf {
        let mut bytes = vec![0; 0x40];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[0x12..0x14].copy_from_slice(&machine.to_le_bytes());
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn an_engine_gets_the_program_of_its_machine() {
        const X86_64: u16 = 62;
        const AARCH64: u16 = 183;
        let dir = tempfile::tempdir().unwrap();
        let own = program(dir.path(), "parallax-agent-host", X86_64);
        let programs = HostPrograms::new(own.clone()).unwrap();
        assert_eq!(programs.find("x86_64").unwrap().path, own);

        let refused = programs.find("aarch64").unwrap_err();
        assert_eq!(refused.code, Code::Unsupported);
        assert!(refused.detail.contains("parallax-agent-host-aarch64"), "{}", refused.detail);

        let wrong = program(dir.path(), "parallax-agent-host-aarch64", X86_64);
        assert_eq!(programs.find("aarch64").unwrap_err().code, Code::Unsupported, "its name says nothing");
        fs::remove_file(wrong).unwrap();
        let other = program(dir.path(), "parallax-agent-host-aarch64", AARCH64);
        assert_eq!(programs.find("aarch64").unwrap().path, other);
        assert_eq!(programs.find("x86_64").unwrap().path, own);

        // One that was named for another machine, without one for this server's.
        let named = HostPrograms::new(other.clone()).unwrap();
        assert_eq!(named.find("aarch64").unwrap().path, other);
        assert!(named.find("x86_64").is_err());
        for hostile in ["", "../../etc/passwd", "x/y", "armv7l"] {
            assert_eq!(programs.find(hostile).unwrap_err().code, Code::Unsupported, "{hostile}");
        }
    }

    #[test]
    fn what_needs_a_loader_is_refused_at_the_start() {
        let this = std::env::current_exe().unwrap();
        let why = HostPrograms::new(this).unwrap_err().to_string();
        assert!(why.contains("not a static program"), "{why}");
    }
}
