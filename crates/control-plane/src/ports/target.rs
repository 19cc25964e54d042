//! Which agent, port and path a request is for.

use parallax_api::{AgentId, Code, Problem};

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The agent.
    pub id: AgentId,
    /// Its port.
    pub port: u16,
    /// `/agents/ID/ports/PORT/`.
    pub prefix: String,
}

impl Target {
    /// The target of a path as it came. Each target has one prefix: a key is for one, and another way to write it names nothing.
    pub fn of(path: &str) -> Result<Self, Problem> {
        let target = || {
            let (id, rest) = path.strip_prefix("/agents/")?.split_once("/ports/")?;
            let port = rest.split('/').next()?;
            let (id, port): (AgentId, u16) = (id.parse().ok()?, port.parse().ok()?);
            let prefix = format!("/agents/{id}/ports/{port}/");
            let is_canonical = path.starts_with(&prefix) || prefix.strip_suffix('/') == Some(path);
            (is_canonical && port > 0).then_some(Self { id, port, prefix })
        };
        target().ok_or_else(|| {
            Problem::new(
                Code::NotFound,
                "an agent's port is at `/agents/ID/ports/PORT/`, with a port from 1 to 65535",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_in_one_way() {
        let id = "0198c5a2-7d0e-7c3a-9a51-1f2e3d4c5b6a";
        for rest in ["", "/", "/a/../b", "/~key/x"] {
            let target = Target::of(&format!("/agents/{id}/ports/8080{rest}")).unwrap();
            assert_eq!((target.id.as_str(), target.port), (id, 8080));
            assert_eq!(target.prefix, format!("/agents/{id}/ports/8080/"));
        }
        for path in [
            format!("/agents/{id}/ports/08080/"),
            format!("/agents/{id}/ports/+80/"),
            format!("/agents/{id}/ports/0/"),
            format!("/agents/{id}/ports/65536/"),
            format!("/agents/{id}/ports/"),
            format!("/agents/{id}//ports/80/"),
            format!("/agents/%30{}/ports/80/", &id[1..]),
            "/agents/../ports/80/".into(),
            "/api/agents".into(),
        ] {
            assert!(Target::of(&path).is_err(), "{path}");
        }
    }
}
