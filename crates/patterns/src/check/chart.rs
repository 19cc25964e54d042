//! The org chart: roles, who reports to whom, rules.

use std::collections::HashMap;

use parallax_api::execution::USER;
use parallax_api::ports::{MAX_PORTS, PORT_VARIABLE, PORTS_VARIABLE};
use parallax_api::preset::check_preset_name;
use parallax_api::workspace::WorkspaceMode;

use super::rules::{check_role, check_template, check_word};
use crate::expression::types::TypeEnv;
use crate::field_path::FieldPath;
use crate::findings::Findings;
use crate::pattern::{MessageType, OneOrMany, Pattern, Role, RoleWorkspace};
use crate::topics::words;

/// Roles of a team at most.
const MAX_ROLES: usize = 1000;
/// Agents that are spawned at the start of a run at most, over all roles.
const MAX_INITIAL: u64 = 1000;
/// Words of a topic at most: texts are searched for topics of each length.
const MAX_TOPIC_WORDS: usize = 8;
/// Names that are shown of a long circle.
const MAX_SHOWN: usize = 20;

pub(super) fn check(pattern: &Pattern, given: &TypeEnv, findings: &mut Findings<'_>) {
    let structure = FieldPath::top().field("structure");
    if pattern.structure.roles.is_empty() {
        findings.add(&structure.field("roles"), "a team has at least one role", None);
    }
    let count = pattern.structure.roles.len();
    if count > MAX_ROLES {
        let message = format!("a team has at most {MAX_ROLES} roles, and this one has {count}");
        findings.add(&structure.field("roles"), message, None);
    }
    let initial: u64 = pattern.structure.roles.values().map(|role| u64::from(role.min_instances)).sum();
    if initial > MAX_INITIAL {
        let message =
            format!("at most {MAX_INITIAL} agents are spawned at the start, and these are {initial}");
        let suggestion = "lower `minInstances`".to_owned();
        findings.add(&structure.field("roles"), message, Some(suggestion));
    }
    for (name, one) in &pattern.structure.roles {
        if findings.is_full() {
            return;
        }
        let path = structure.field("roles").field(name);
        if name == USER {
            findings.add(&path, "`user` is the person, and cannot be a role", None);
        }
        check_word(name, &path, "a role", findings);
        check_one(pattern, name, one, given, &path, findings);
    }
    check_cycles(pattern, &structure.field("roles"), findings);
    for (index, rule) in pattern.structure.routing.iter().enumerate() {
        let path = structure.field("routing").index(index);
        let questions_only = rule.message_types == [MessageType::Question];
        role_names(pattern, &rule.from, false, &path.field("from"), findings);
        role_names(pattern, &rule.to, questions_only, &path.field("to"), findings);
        if rule.broadcast && rule.to.as_slice().iter().any(|word| word == USER) {
            let suggestion = "leave `broadcast` out: a person is asked when nobody else answers".to_owned();
            findings.add(&path.field("to"), "a broadcast goes to agents, not to `user`", Some(suggestion));
        }
        for (index, topic) in rule.topics.iter().enumerate() {
            check_topic(topic, &path.field("topics").index(index), findings);
        }
        if rule.message_types.is_empty() {
            findings.add(&path.field("messageTypes"), "without a message type the rule does nothing", None);
        }
    }
    for (index, route) in pattern.structure.escalation.topic_routes.iter().enumerate() {
        let path = structure.field("escalation").field("topicRoutes").index(index);
        role_names(pattern, &route.to, true, &path.field("to"), findings);
        check_topic(&route.topic, &path.field("topic"), findings);
    }
}

fn check_topic(topic: &str, path: &FieldPath, findings: &mut Findings<'_>) {
    if words(topic).count() > MAX_TOPIC_WORDS {
        findings.add(path, format!("a topic has at most {MAX_TOPIC_WORDS} words"), None);
    }
}

fn check_one(
    pattern: &Pattern,
    name: &str,
    one: &Role,
    given: &TypeEnv,
    path: &FieldPath,
    findings: &mut Findings<'_>,
) {
    if let Some(above) = &one.reports_to {
        check_role(pattern, above, true, &path.field("reportsTo"), findings);
    }
    for (index, other) in one.permissions_answered_by.iter().enumerate() {
        let path = path.field("permissionsAnsweredBy").index(index);
        check_role(pattern, other, true, &path, findings);
        if other == name {
            findings.add(&path, "a role cannot answer for itself", None);
        }
    }
    if let Some(max) = one.max_instances.filter(|max| one.min_instances > *max) {
        let message = format!("minInstances ({}) is more than maxInstances ({max})", one.min_instances);
        findings.add(&path.field("minInstances"), message, Some(format!("write {max} or less")));
    }
    if one.singleton && one.max_instances.is_some_and(|max| max > 1) {
        let suggestion = "leave out one of the two".to_owned();
        findings.add(&path.field("maxInstances"), "a singleton has one agent", Some(suggestion));
    }
    if one.singleton && one.min_instances > 1 {
        findings.add(&path.field("minInstances"), "a singleton has one agent", None);
    }
    if one.ports.is_some_and(|count| !(1..=MAX_PORTS).contains(&count)) {
        findings.add(&path.field("ports"), format!("an agent gets 1 to {MAX_PORTS} ports"), None);
    }
    for name in [PORT_VARIABLE, PORTS_VARIABLE] {
        if one.ports.is_some() && one.env.contains_key(name) {
            let suggestion = "leave out one of the two".to_owned();
            let message = format!("`{name}` is set by `ports`");
            findings.add(&path.field("env").field(name), message, Some(suggestion));
        }
    }
    if one.preset.as_deref().is_some_and(|name| check_preset_name(name).is_err()) {
        let message = "a preset's name has 1 to 63 lower-case letters, digits and `-`";
        findings.add(&path.field("preset"), message, None);
    }
    if one.managed && one.wanted_types().is_empty() {
        let suggestion = "add `agentType: claude`, or a `preset`".to_owned();
        findings.add(&path.field("agentType"), "a managed role needs an agent type", Some(suggestion));
    }
    for (index, capability) in one.capabilities.iter().enumerate() {
        if capability.trim().is_empty() {
            let path = path.field("capabilities").index(index);
            findings.add(&path, "a capability is a word, not blank", None);
        }
    }
    for (field, text) in one.workdir.iter().map(|text| ("workdir", text)) {
        check_template(text, given, &path.field(field), findings);
    }
    for (variable, text) in &one.env {
        check_template(text, given, &path.field("env").field(variable), findings);
    }
    if let Some(workspace) = &one.workspace {
        check_workspace(one, workspace, given, &path.field("workspace"), findings);
    }
    if !one.managed {
        unmanaged(one, path, findings);
    }
}

fn check_workspace(
    one: &Role,
    workspace: &RoleWorkspace,
    given: &TypeEnv,
    path: &FieldPath,
    findings: &mut Findings<'_>,
) {
    let RoleWorkspace { repo, r#ref, branch, mode, keep: _, setup, depth, shared } = workspace;
    for (field, text) in [("repo", repo), ("ref", r#ref), ("branch", branch)] {
        if let Some(text) = text {
            check_template(text, given, &path.field(field), findings);
        }
    }
    if one.workdir.is_some() {
        findings.add(path, "a role has a `workdir` or a `workspace`, not both", None);
    }
    if branch.is_some() && one.most() > 1 && !shared {
        let suggestion = "add `shared: true`, or leave `branch` out".to_owned();
        let message = "each agent of the role would make this branch, and only the first can";
        findings.add(&path.field("branch"), message, Some(suggestion));
    }
    let is_worktree = match mode {
        Some(mode) => *mode == WorkspaceMode::Worktree,
        // What comes from an input may be a URL.
        None => repo.as_ref().is_none_or(|repo| !repo.contains("://") && !repo.contains("${")),
    };
    if depth.is_some() && is_worktree {
        findings.add(
            &path.field("depth"),
            "a worktree has the history of its repository",
            Some("add `mode: clone`".into()),
        );
    }
    if setup.as_ref().is_some_and(|setup| setup.trim().is_empty()) {
        findings.add(&path.field("setup"), "this is blank: name a command", None);
    }
}

/// What only a role whose agents are spawned can have.
fn unmanaged(one: &Role, path: &FieldPath, findings: &mut Findings<'_>) {
    if one.capabilities.is_empty() && one.types().is_empty() {
        let suggestion = "add `capabilities`, or `managed: true` to have agents spawned".to_owned();
        let message = "nothing says which running agents may take this role";
        findings.add(&path.field("capabilities"), message, Some(suggestion));
    }
    let spawning = [
        ("minInstances", one.min_instances > 0),
        ("preset", one.preset.is_some()),
        ("runtime", one.runtime.is_some()),
        ("class", one.class.is_some()),
        ("workdir", one.workdir.is_some()),
        ("workspace", one.workspace.is_some()),
        ("approvals", one.approvals.is_some()),
        ("model", one.model.is_some()),
        ("args", !one.args.is_empty()),
        ("env", !one.env.is_empty()),
        ("image", one.image.is_some()),
        ("ports", one.ports.is_some()),
    ];
    for (field, _) in spawning.into_iter().filter(|(_, given)| *given) {
        let suggestion = format!("add `managed: true`, or leave `{field}` out");
        let message = format!("`{field}` is for agents that are spawned, and this role takes running ones");
        findings.add(&path.field(field), message, Some(suggestion));
    }
}

/// Roles that report to each other in a circle: each circle once, at its first name. Each role is visited once.
fn check_cycles(pattern: &Pattern, roles: &FieldPath, findings: &mut Findings<'_>) {
    let above = |name: &str| {
        let (_, one) = pattern.structure.roles.get_key_value(name)?;
        let (above, _) = pattern.structure.roles.get_key_value(one.reports_to.as_deref()?)?;
        Some(above.as_str())
    };
    // The walk that visited a role first.
    let mut visited: HashMap<&str, usize> = HashMap::new();
    for (walk, name) in pattern.structure.roles.keys().enumerate() {
        let mut chain: Vec<&str> = Vec::new();
        let mut next = Some(name.as_str());
        while let Some(role) = next {
            match visited.get(role) {
                None => {
                    visited.insert(role, walk);
                    chain.push(role);
                    next = above(role);
                }
                Some(before) if *before == walk => {
                    let start = chain.iter().position(|other| *other == role).unwrap_or_default();
                    report_cycle(&chain[start..], roles, findings);
                    break;
                }
                Some(_) => break,
            }
        }
    }
}

fn report_cycle(circle: &[&str], roles: &FieldPath, findings: &mut Findings<'_>) {
    let Some(first) = (0..circle.len()).min_by_key(|index| circle[*index]) else { return };
    let names: Vec<&str> =
        circle.iter().cycle().skip(first).take(circle.len().min(MAX_SHOWN)).copied().collect();
    let more = if circle.len() > MAX_SHOWN { "… → " } else { "" };
    let message =
        format!("these roles report to each other: {} → {more}{}", names.join(" → "), circle[first]);
    let suggestion = "let one of them report to nobody".to_owned();
    findings.add(&roles.field(circle[first]).field("reportsTo"), message, Some(suggestion));
}

fn role_names(
    pattern: &Pattern,
    names: &OneOrMany,
    user: bool,
    path: &FieldPath,
    findings: &mut Findings<'_>,
) {
    if names.as_slice().is_empty() {
        findings.add(path, "name at least one role, or `\"*\"`", None);
    }
    for (index, name) in names.as_slice().iter().enumerate().filter(|(_, name)| *name != "*") {
        let path = match names {
            OneOrMany::One(_) => path.clone(),
            OneOrMany::Many(_) => path.index(index),
        };
        check_role(pattern, name, user, &path, findings);
    }
}
