//! What fuzzing begins with: examples of the project, and inputs that failed once (`fuzz/corpus/TARGET/`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Sessions are long; a part of each is enough to begin with.
const MAX_EXAMPLE: usize = 64 * 1024;

/// The corpus of a target.
pub fn of(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for (dir, extension) in sources(target) {
        collect(&root.join(dir), extension, &mut files)?;
    }
    let failed_once = root.join("fuzz/corpus").join(target);
    if failed_once.is_dir() {
        collect(&failed_once, "", &mut files)?;
    }
    files.sort();
    let read = |path: &PathBuf| {
        let bytes = fs::read(path)?;
        let bytes = if target == "screen" { output_of(&bytes).unwrap_or(bytes) } else { bytes };
        Ok(bytes[..bytes.len().min(MAX_EXAMPLE)].to_vec())
    };
    files.iter().map(read).collect()
}

fn sources(target: &str) -> &'static [(&'static str, &'static str)] {
    match target {
        "screen" => &[("crates/profile/tests/recordings", "cast")],
        "profile" => &[("crates/profile/profiles", "toml"), ("examples/profiles", "toml")],
        "pattern" => &[("examples/patterns", "yaml")],
        _ => &[],
    }
}

fn collect(dir: &Path, extension: &str, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, extension, files)?;
        } else if extension.is_empty() || path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    Ok(())
}

/// The bytes that a recorded program wrote.
fn output_of(cast: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(cast).ok()?;
    let lines = text.lines().skip(1).filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let output = lines.filter(|line| line[1] == "o").filter_map(|line| Some(line[2].as_str()?.to_owned()));
    Some(output.collect::<String>().into_bytes())
}
