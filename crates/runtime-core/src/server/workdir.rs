//! Where agents may work.

use std::io;
use std::path::{Path, PathBuf};

use parallax_api::{Code, Problem};

/// How a spawn request's `workdir` becomes an agent's.
#[derive(Clone, Debug)]
pub enum Workdirs {
    /// Directories of this machine: they must exist under one of the roots.
    Here {
        /// Where an agent works whose request names no directory.
        default: PathBuf,
        /// Directories under which agents may work.
        roots: Vec<PathBuf>,
    },
    /// Directories of the agent's own place (a pod, a container): any absolute path.
    There {
        /// Where an agent works whose request names no directory.
        default: PathBuf,
    },
}

impl Workdirs {
    /// The directory to work in, without links and dots.
    ///
    /// Fails with `VALIDATION_ERROR`, `WORKDIR_NOT_FOUND` or `WORKDIR_FORBIDDEN`.
    pub fn resolve(&self, asked: Option<&str>) -> Result<PathBuf, Problem> {
        if asked.is_some_and(|path| !Path::new(path).is_absolute() || path.contains('\0')) {
            return Err(Problem::invalid("workdir", "a working directory is an absolute path"));
        }
        match self {
            Self::There { default } => Ok(asked.map_or_else(|| default.clone(), PathBuf::from)),
            Self::Here { default, roots } => {
                let path = asked.map_or(default.as_path(), Path::new);
                let real = path.canonicalize().map_err(|cause| missing(path, &cause))?;
                let under = |root: &PathBuf| root.canonicalize().is_ok_and(|root| real.starts_with(root));
                if !roots.iter().any(under) {
                    return Err(forbidden(path, roots));
                }
                if !real.is_dir() {
                    return Err(missing(path, &io::ErrorKind::NotADirectory.into()));
                }
                Ok(real)
            }
        }
    }
}

fn missing(path: &Path, cause: &io::Error) -> Problem {
    Problem::new(
        Code::WorkdirNotFound,
        format!("{} cannot be worked in: {cause}; make the directory first, or name another", path.display()),
    )
    .with("field", "workdir")
}

fn forbidden(path: &Path, roots: &[PathBuf]) -> Problem {
    let roots: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
    Problem::new(
        Code::WorkdirForbidden,
        format!(
            "{} is not under a directory where agents may work ({}); name another, or allow it with --allow-workdir",
            path.display(),
            roots.join(", ")
        ),
    )
    .with("field", "workdir")
    .with("allowed", roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_exists_under_a_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("work")).unwrap();
        std::fs::create_dir_all(dir.path().join("rootless")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        std::os::unix::fs::symlink(dir.path(), root.join("out")).unwrap();
        std::os::unix::fs::symlink(root.join("work"), root.join("in")).unwrap();
        let workdirs = Workdirs::Here { default: root.clone(), roots: vec![root.clone()] };
        let code = |path: &str| {
            let path = root.join(path);
            workdirs.resolve(Some(path.to_str().unwrap())).map_err(|problem| problem.code)
        };
        let real = root.canonicalize().unwrap();
        assert_eq!(workdirs.resolve(None).unwrap(), real);
        assert_eq!(code("work"), Ok(real.join("work")));
        assert_eq!(code("in"), Ok(real.join("work")));
        assert_eq!(code("work/../work/./"), Ok(real.join("work")));
        assert_eq!(code("none"), Err(Code::WorkdirNotFound));
        assert_eq!(code("file"), Err(Code::WorkdirNotFound));
        assert_eq!(code("out"), Err(Code::WorkdirForbidden), "a link leads out");
        assert_eq!(code(".."), Err(Code::WorkdirForbidden));
        assert_eq!(code("../rootless"), Err(Code::WorkdirForbidden), "the name only begins the same");
        assert_eq!(workdirs.resolve(Some("work")).unwrap_err().code, Code::Validation);
        assert_eq!(workdirs.resolve(Some("")).unwrap_err().code, Code::Validation);
    }
}
