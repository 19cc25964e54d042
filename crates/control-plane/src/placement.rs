//! Which runtime gets an agent: a pure function of the last known state of the runtimes.

use parallax_api::runtime::{RuntimeInfo, RuntimeKind};
use parallax_api::{Code, Problem};
use serde_json::{Value, json};

/// The runtimes to try for an agent of `agent_type`, best first. `wanted` is the request's `runtime`: a kind or a
/// name, and then no other is considered.
///
/// Those that are healthy, have room, can run the type and know the class come by priority, the lowest number first, and nothing
/// after them. Where there is none, the healthy ones are tried all the same: a refusal in a runtime's own words
/// (how to install the CLI, which limit is reached) says more than ours would, and its last known state may be old.
///
/// # Errors
/// `VALIDATION_ERROR` when `wanted` can name no runtime; otherwise as [`refusal`], when none is healthy.
pub fn choose<'a>(
    wanted: Option<&str>,
    agent_type: &str,
    class: Option<&str>,
    runtimes: &'a [RuntimeInfo],
) -> Result<Vec<&'a RuntimeInfo>, Problem> {
    let mut eligible: Vec<&RuntimeInfo> =
        runtimes.iter().filter(|runtime| wanted.is_none_or(|wanted| is_meant(wanted, runtime))).collect();
    eligible.sort_by_key(|runtime| runtime.priority);
    if eligible.is_empty() {
        return Err(nothing_meant(wanted, runtimes));
    }
    let healthy: Vec<&RuntimeInfo> =
        eligible.iter().copied().filter(|runtime| runtime.status.healthy).collect();
    let fitting: Vec<&RuntimeInfo> =
        healthy.iter().copied().filter(|runtime| fits(agent_type, class, runtime)).collect();
    match (fitting.is_empty(), healthy.is_empty()) {
        (false, _) => Ok(fitting),
        (true, false) => Ok(healthy),
        (true, true) => {
            Err(refusal(eligible.into_iter().map(|runtime| (runtime.name.clone(), away(runtime))).collect()))
        }
    }
}

/// Whether a request that names `wanted` means this runtime. A kind means every runtime of that kind.
pub fn is_meant(wanted: &str, runtime: &RuntimeInfo) -> bool {
    match wanted.parse::<RuntimeKind>() {
        Ok(kind) => runtime.status.kind == kind,
        Err(_) => runtime.name == wanted,
    }
}

/// `RUNTIME_UNAVAILABLE` for a runtime that is not healthy, in its own words.
pub fn away(runtime: &RuntimeInfo) -> Problem {
    let reason = runtime.status.reason.as_deref().unwrap_or("it gave no reason");
    Problem::new(Code::RuntimeUnavailable, format!("the runtime `{}` cannot be used: {reason}", runtime.name))
}

/// Why a runtime was not considered.
pub fn why_not_placed(agent_type: &str, class: Option<&str>, runtime: &RuntimeInfo) -> Problem {
    let (name, status) = (&runtime.name, &runtime.status);
    let known = status.types.iter().find(|known| known.name == agent_type);
    match known {
        _ if !status.healthy => away(runtime),
        None => Problem::invalid("type", format!("the runtime `{name}` has no profile for `{agent_type}`")),
        Some(known) if !known.available => {
            let reason = known.reason.as_deref().unwrap_or("its program is not installed");
            Problem::new(
                Code::CliNotFound,
                format!("the runtime `{name}` cannot run `{agent_type}`: {reason}"),
            )
        }
        Some(_) if !knows_class(class, runtime) => {
            let known: Vec<&str> = status.classes.iter().map(|class| class.name.as_str()).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            let class = class.unwrap_or_default();
            Problem::invalid(
                "class",
                format!("the runtime `{name}` has no class `{class}`; its classes: {known}"),
            )
        }
        Some(_) => {
            let limit =
                format!("{} of {} agents run on the runtime `{name}`", status.agents, status.capacity);
            Problem::new(Code::ResourceLimit, limit)
        }
    }
}

/// What to answer when every runtime that was tried or passed over refused, each with its reason. One that all share
/// is the answer (a CLI that is installed nowhere is `CLI_NOT_FOUND`); otherwise it is `NO_RUNTIME`. Several reasons
/// stand in `runtimes`.
pub fn refusal(refused: Vec<(String, Problem)>) -> Problem {
    let [(_, first), others @ ..] = refused.as_slice() else {
        return Problem::new(
            Code::NoRuntime,
            "no runtime is configured; `parallax up` starts one on this machine",
        );
    };
    if others.is_empty() {
        return first.clone();
    }
    let shared = others.iter().all(|(_, problem)| problem.code == first.code);
    let problem = if shared && first.code != Code::RuntimeUnavailable {
        first.clone()
    } else {
        let reasons: Vec<String> =
            refused.iter().map(|(name, problem)| format!("{name}: {}", problem.detail)).collect();
        Problem::new(Code::NoRuntime, format!("no runtime takes this agent: {}", reasons.join("; ")))
    };
    let reasons = refused
        .iter()
        .map(|(name, problem)| json!({"name": name, "code": problem.code, "reason": problem.detail}));
    problem.with("runtimes", reasons.collect::<Vec<Value>>())
}

fn fits(agent_type: &str, class: Option<&str>, runtime: &RuntimeInfo) -> bool {
    let status = &runtime.status;
    status.agents < status.capacity
        && knows_class(class, runtime)
        && status.types.iter().any(|known| known.name == agent_type && known.available)
}

fn knows_class(class: Option<&str>, runtime: &RuntimeInfo) -> bool {
    class.is_none_or(|class| runtime.status.classes.iter().any(|known| known.name == class))
}

fn nothing_meant(wanted: Option<&str>, runtimes: &[RuntimeInfo]) -> Problem {
    let Some(wanted) = wanted else { return refusal(vec![]) };
    let names: Vec<&str> = runtimes.iter().map(|runtime| runtime.name.as_str()).collect();
    let known = if names.is_empty() { "none".into() } else { names.join(", ") };
    if wanted.parse::<RuntimeKind>().is_ok() {
        return Problem::new(
            Code::NoRuntime,
            format!("no runtime of the kind `{wanted}` is configured here; there is {known}"),
        );
    }
    Problem::invalid(
        "runtime",
        format!(
            "`{wanted}` is neither `local`, `docker`, `kubernetes` nor the name of a runtime; there is {known}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use parallax_api::runtime::{ClassInfo, RuntimeStatus, TypeInfo};

    use super::*;

    /// `name kind priority state`, where the state is `ok`, `full`, `away`, `bare` (no CLI) or `other` (no profile).
    fn runtime(line: &str) -> RuntimeInfo {
        let [name, kind, priority, state] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let claude =
            TypeInfo { name: "claude".into(), available: state != "bare", reason: None, version: None };
        RuntimeInfo {
            name: name.into(),
            url: format!("http://{name}"),
            priority: priority.parse().unwrap(),
            status: RuntimeStatus {
                kind: kind.parse().unwrap(),
                healthy: state != "away",
                reason: (state == "away").then(|| format!("{name} sleeps")),
                agents: if state == "full" { 4 } else { 1 },
                capacity: 4,
                classes: Vec::new(),
                types: if state == "other" { vec![] } else { vec![claude] },
                version: "1".into(),
                storage: None,
                workspaces: None,
            },
        }
    }

    /// The names in the order they are tried, or the code of the refusal.
    fn outcome(wanted: Option<&str>, runtimes: &[&str]) -> String {
        let runtimes: Vec<RuntimeInfo> = runtimes.iter().map(|line| runtime(line)).collect();
        match choose(wanted, "claude", None, &runtimes) {
            Ok(order) => order.iter().map(|runtime| runtime.name.as_str()).collect::<Vec<_>>().join(" "),
            Err(problem) => problem.code.to_string(),
        }
    }

    #[test]
    fn the_lowest_priority_that_is_healthy_has_room_and_can_run_the_type() {
        let table: &[(&[&str], &str)] = &[
            (&["l local 10 ok", "d docker 20 ok", "k kubernetes 30 ok"], "l d k"),
            (&["k kubernetes 30 ok", "l local 10 ok", "d docker 20 ok"], "l d k"),
            (&["l local 10 away", "d docker 20 ok", "k kubernetes 30 ok"], "d k"),
            (&["l local 10 full", "d docker 20 ok"], "d"),
            (&["l local 10 bare", "d docker 20 ok"], "d"),
            (&["l local 10 other", "d docker 20 full", "k kubernetes 30 ok"], "k"),
            (&["l local 40 ok", "d docker 20 ok"], "d l"),
            (&["a local 10 ok", "b local 10 ok"], "a b"),
            // Nothing fits: the healthy ones are asked for their own words.
            (&["l local 10 bare", "d docker 20 full", "k kubernetes 30 away"], "l d"),
            (&["l local 10 away"], "RUNTIME_UNAVAILABLE"),
            (&["l local 10 away", "d docker 20 away"], "NO_RUNTIME"),
            (&[], "NO_RUNTIME"),
        ];
        for (runtimes, expected) in table {
            assert_eq!(outcome(None, runtimes), *expected, "{runtimes:?}");
        }
    }

    #[test]
    fn a_class_is_asked_of_those_that_know_it() {
        let mut runtimes = ["l local 10 ok", "d docker 20 ok", "k kubernetes 30 away"].map(runtime);
        let class = |name: &str| ClassInfo { name: name.into(), ..ClassInfo::default() };
        runtimes[1].status.classes = vec![class("small"), class("gpu")];
        let order = |class| {
            let order = choose(None, "claude", Some(class), &runtimes).unwrap();
            order.iter().map(|runtime| runtime.name.as_str()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order("gpu"), "d");
        assert_eq!(order("huge"), "l d", "they refuse it, each with its own classes");
        let why = why_not_placed("claude", Some("huge"), &runtimes[1]);
        assert!(why.detail.contains("small, gpu") && why.more["field"] == "class", "{why:?}");
    }

    #[test]
    fn a_named_one_or_nothing() {
        let all = ["local local 10 ok", "docker docker 20 away", "east local 15 full", "west docker 25 ok"];
        let table = [
            ("local", "local"),
            ("docker", "west"),
            ("east", "east"),
            ("west", "west"),
            ("kubernetes", "NO_RUNTIME"),
            ("mars", "VALIDATION_ERROR"),
        ];
        for (wanted, expected) in table {
            assert_eq!(outcome(Some(wanted), &all), expected, "{wanted}");
        }
        assert_eq!(outcome(Some("docker"), &["l local 10 ok", "d docker 20 away"]), "RUNTIME_UNAVAILABLE");
    }

    #[test]
    fn a_refusal_gives_each_reason() {
        let runtimes = ["l local 10 away", "d docker 20 away"].map(runtime);
        let problem = choose(None, "claude", None, &runtimes).unwrap_err();
        assert_eq!(problem.more["runtimes"][1]["name"], "d");
        assert!(problem.more["runtimes"][0]["reason"].as_str().unwrap().contains("l sleeps"));

        let missing = |name: &str| (name.to_owned(), Problem::new(Code::CliNotFound, "npm install"));
        assert_eq!(refusal(vec![missing("l")]), Problem::new(Code::CliNotFound, "npm install"));
        let shared = refusal(vec![missing("l"), missing("d")]);
        assert_eq!((shared.code, shared.more["runtimes"].as_array().unwrap().len()), (Code::CliNotFound, 2));
        let mixed = refusal(vec![missing("l"), ("d".into(), Problem::new(Code::ResourceLimit, "full"))]);
        assert_eq!(
            (mixed.code, &mixed.more["runtimes"][1]["code"]),
            (Code::NoRuntime, &json!("RESOURCE_LIMIT"))
        );
    }
}
