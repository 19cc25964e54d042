//! Where agents may work.

use std::io;
use std::path::{Path, PathBuf};

use parallax_api::{Code, Problem};
use parallax_profile::{Mount, MountSource};

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
    /// What is mounted into the agent's container, as `docker run --volume` names it: a directory of this
    /// machine under one of the roots, or a volume by its name; with `:ro` behind it the agent may only read. Who names
    /// nothing gets an empty directory of the agent's own.
    Mounted {
        /// Where it is mounted.
        at: PathBuf,
        /// Directories of this machine that may be mounted, with all below them.
        roots: Vec<PathBuf>,
    },
}

/// Where an agent works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workdir {
    /// As the agent sees it.
    pub path: PathBuf,
    /// What is mounted there.
    pub mount: Option<Mount>,
    /// As it is told to whoever asked for the agent.
    pub shown: String,
}

impl Workdirs {
    /// Where to work, without links and dots.
    ///
    /// Fails with `VALIDATION_ERROR`, `WORKDIR_NOT_FOUND` or `WORKDIR_FORBIDDEN`.
    pub fn resolve(&self, asked: Option<&str>) -> Result<Workdir, Problem> {
        match self {
            Self::Here { default, roots } => {
                let path = here("workdir", asked.map_or(default.as_path(), Path::new), roots)?;
                Ok(Workdir { shown: path.display().to_string(), path, mount: None })
            }
            Self::Mounted { at, roots } => {
                let mount = asked.map(|asked| mount(asked, roots)).transpose()?;
                let shown = mount.as_ref().map_or_else(|| at.display().to_string(), spelled);
                Ok(Workdir { path: at.clone(), mount, shown })
            }
        }
    }

    /// A repository that workspaces may be made of, without links and dots.
    ///
    /// Fails with `VALIDATION_ERROR`, `WORKDIR_NOT_FOUND` or `WORKDIR_FORBIDDEN`.
    pub(super) fn repository(&self, asked: &str) -> Result<PathBuf, Problem> {
        let (Self::Here { roots, .. } | Self::Mounted { roots, .. }) = self;
        here("workspace.repo", Path::new(asked), roots)
    }
}

/// A directory of this machine that exists under one of the roots.
fn here(field: &str, path: &Path, roots: &[PathBuf]) -> Result<PathBuf, Problem> {
    if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(Problem::invalid(field, "a directory to work in is an absolute path"));
    }
    let real = path.canonicalize().map_err(|cause| missing(field, path, &cause))?;
    let under = |root: &PathBuf| root.canonicalize().is_ok_and(|root| real.starts_with(root));
    if !roots.iter().any(under) {
        return Err(forbidden(field, path, roots));
    }
    if !real.is_dir() {
        return Err(missing(field, path, &io::ErrorKind::NotADirectory.into()));
    }
    Ok(real)
}

fn mount(asked: &str, roots: &[PathBuf]) -> Result<Mount, Problem> {
    let (source, read_only) = match asked.strip_suffix(":ro") {
        Some(source) => (source, true),
        None => (asked.strip_suffix(":rw").unwrap_or(asked), false),
    };
    let source = if source.starts_with('/') {
        MountSource::Directory(here("workdir", Path::new(source), roots)?)
    } else if is_volume_name(source) {
        MountSource::Volume(source.into())
    } else {
        return Err(Problem::invalid(
            "workdir",
            "a working directory is an absolute path or the name of a volume; `:ro` behind it makes it read-only",
        ));
    };
    Ok(Mount { source, read_only })
}

/// Names as Docker takes them: <https://docs.docker.com/reference/cli/docker/volume/create/>.
fn is_volume_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && (2..=255).contains(&name.len())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn spelled(mount: &Mount) -> String {
    let source = match &mount.source {
        MountSource::Directory(path) => path.display().to_string(),
        MountSource::Volume(name) => name.clone(),
    };
    if mount.read_only { format!("{source}:ro") } else { source }
}

fn missing(field: &str, path: &Path, cause: &io::Error) -> Problem {
    Problem::new(
        Code::WorkdirNotFound,
        format!("{} cannot be worked in: {cause}; make the directory first, or name another", path.display()),
    )
    .with("field", field)
}

fn forbidden(field: &str, path: &Path, roots: &[PathBuf]) -> Problem {
    let roots: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
    Problem::new(
        Code::WorkdirForbidden,
        format!(
            "{} is not under a directory where agents may work ({}); name another, or allow it with --allow-workdir",
            path.display(),
            roots.join(", ")
        ),
    )
    .with("field", field)
    .with("allowed", roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_exists_under_a_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("project")).unwrap();
        std::fs::create_dir_all(dir.path().join("rootless")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        std::os::unix::fs::symlink(dir.path(), root.join("out")).unwrap();
        std::os::unix::fs::symlink(root.join("project"), root.join("in")).unwrap();
        let workdirs = Workdirs::Here { default: root.clone(), roots: vec![root.clone()] };
        let code = |path: &str| {
            let path = root.join(path);
            workdirs.resolve(Some(path.to_str().unwrap())).map(|dir| dir.path).map_err(|problem| problem.code)
        };
        let real = root.canonicalize().unwrap();
        assert_eq!(workdirs.resolve(None).unwrap().path, real);
        assert_eq!(code("project"), Ok(real.join("project")));
        assert_eq!(code("in"), Ok(real.join("project")));
        assert_eq!(code("project/../project/./"), Ok(real.join("project")));
        assert_eq!(code("none"), Err(Code::WorkdirNotFound));
        assert_eq!(code("file"), Err(Code::WorkdirNotFound));
        assert_eq!(code("out"), Err(Code::WorkdirForbidden), "a link leads out");
        assert_eq!(code(".."), Err(Code::WorkdirForbidden));
        assert_eq!(code("../rootless"), Err(Code::WorkdirForbidden), "the name only begins the same");
        assert_eq!(workdirs.resolve(Some("project")).unwrap_err().code, Code::Validation);
        assert_eq!(workdirs.resolve(Some("")).unwrap_err().code, Code::Validation);
    }

    #[test]
    fn what_is_mounted_is_named_as_docker_does() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("work")).unwrap();
        let workdirs = Workdirs::Mounted { at: "/workspace".into(), roots: vec![root.clone()] };
        let path = |suffix: &str| format!("{}/work{suffix}", root.display());
        let shown = |asked: Option<&str>| {
            workdirs.resolve(asked).map(|dir| (dir.shown, dir.mount.is_some_and(|mount| mount.read_only)))
        };
        assert_eq!(shown(None).unwrap(), ("/workspace".into(), false));
        assert_eq!(shown(Some(&path(""))).unwrap(), (path(""), false));
        assert_eq!(shown(Some(&path("/./:ro"))).unwrap(), (path(":ro"), true));
        assert_eq!(shown(Some("a-volume")).unwrap(), ("a-volume".into(), false));
        assert_eq!(shown(Some("a-volume:ro")).unwrap(), ("a-volume:ro".into(), true));
        let work = workdirs.resolve(Some(&path(""))).unwrap();
        assert_eq!(work.path, Path::new("/workspace"));
        assert_eq!(work.mount.unwrap().source, MountSource::Directory(root.join("work")));
        for bad in ["", ":ro", "-v", "a/b", "x", "vol:/etc", "vol:ro:ro"] {
            assert_eq!(shown(Some(bad)).unwrap_err().code, Code::Validation, "{bad}");
        }
        assert_eq!(shown(Some("/etc:ro")).unwrap_err().code, Code::WorkdirForbidden);
    }
}
