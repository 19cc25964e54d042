//! From where repositories may be fetched. The server does it, with its own place in the network: a stranger who may spawn must not
//! reach by it what only the server reaches.

use parallax_api::{Code, Problem};
use parallax_workspace::remote;

/// The hosts that repositories may be cloned from.
#[derive(Clone, Debug, Default)]
pub enum Repositories {
    /// Any: agents reach what the server reaches.
    Any,
    /// These, as they stand in a URL: `example.com`, `10.0.0.7:8443`. None: no URL is cloned.
    #[default]
    None,
    /// These alone.
    Of(Vec<String>),
}

impl Repositories {
    /// As an operator names them; `*` is any.
    pub fn named(hosts: &[String]) -> Self {
        match hosts {
            [] => Self::None,
            hosts if hosts.iter().any(|host| host == "*") => Self::Any,
            hosts => Self::Of(hosts.iter().map(|host| host.to_ascii_lowercase()).collect()),
        }
    }

    /// Fails with `VALIDATION_ERROR` for what is no URL of a repository, with `WORKDIR_FORBIDDEN` for a host that is not allowed.
    pub(super) fn check(&self, url: &str) -> Result<(), Problem> {
        let host =
            remote::host(url).map_err(|error| Problem::invalid("workspace.repo", error.to_string()))?;
        let is_allowed = match self {
            Self::Any => true,
            Self::None => false,
            Self::Of(hosts) => hosts.contains(&host),
        };
        if is_allowed {
            return Ok(());
        }
        let detail =
            format!("repositories may not be fetched from `{host:.253}`; allow it with --allow-repo-host");
        Err(Problem::new(Code::WorkdirForbidden, detail).with("field", "workspace.repo"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_operator_named() {
        let code = |hosts: &[&str], url: &str| {
            let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
            Repositories::named(&hosts).check(url).map_err(|problem| problem.code)
        };
        assert_eq!(code(&["*"], "https://example.com/x"), Ok(()));
        assert_eq!(code(&["Example.com"], "https://example.COM/x"), Ok(()));
        assert_eq!(code(&["example.com"], "ssh://git@example.com/x"), Ok(()));
        for url in [
            "https://example.com:8443/x",
            "https://example.com.evil.example/x",
            "https://evil.example/example.com",
            "http://169.254.169.254/latest",
            "http://localhost/x",
        ] {
            assert_eq!(code(&["example.com"], url), Err(Code::WorkdirForbidden), "{url}");
            assert_eq!(code(&[], url), Err(Code::WorkdirForbidden), "{url}");
        }
        assert_eq!(code(&["*"], "ext://sh -c id"), Err(Code::Validation));
        assert_eq!(code(&["*"], "file:///etc"), Err(Code::Validation));
    }
}
