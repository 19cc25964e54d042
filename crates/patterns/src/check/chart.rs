//! The org chart: roles, who reports to whom, rules.

use parallax_api::execution::USER;

use super::{Findings, role, template, word};
use crate::expression::types::Known;
use crate::pattern::{MessageType, Pattern, Role, Words};
use crate::place::Place;

pub(super) fn check(pattern: &Pattern, given: &Known, findings: &mut Findings<'_>) {
    let structure = Place::top().field("structure");
    if pattern.structure.roles.is_empty() {
        findings.add(&structure.field("roles"), "a team has at least one role", None);
    }
    for (name, one) in &pattern.structure.roles {
        let place = structure.field("roles").field(name);
        if name == USER {
            findings.add(&place, "`user` is the person, and cannot be a role", None);
        }
        word(name, &place, "a role", findings);
        check_role(pattern, name, one, given, &place, findings);
    }
    cycles(pattern, &structure.field("roles"), findings);
    for (index, rule) in pattern.structure.routing.iter().enumerate() {
        let place = structure.field("routing").index(index);
        let questions_only = rule.message_types == [MessageType::Question];
        words(pattern, &rule.from, false, &place.field("from"), findings);
        words(pattern, &rule.to, questions_only, &place.field("to"), findings);
        if rule.broadcast && rule.to.words().iter().any(|word| word == USER) {
            let suggestion = "leave `broadcast` out: a person is asked when nobody else answers".to_owned();
            findings.add(&place.field("to"), "a broadcast goes to agents, not to `user`", Some(suggestion));
        }
        if rule.message_types.is_empty() {
            findings.add(&place.field("messageTypes"), "without a message type the rule does nothing", None);
        }
    }
    for (index, route) in pattern.structure.escalation.topic_routes.iter().enumerate() {
        let place = structure.field("escalation").field("topicRoutes").index(index);
        words(pattern, &route.to, true, &place.field("to"), findings);
    }
}

fn check_role(
    pattern: &Pattern,
    name: &str,
    one: &Role,
    given: &Known,
    place: &Place,
    findings: &mut Findings<'_>,
) {
    if let Some(above) = &one.reports_to {
        role(pattern, above, true, &place.field("reportsTo"), findings);
    }
    for (index, other) in one.permissions_answered_by.iter().enumerate() {
        let place = place.field("permissionsAnsweredBy").index(index);
        role(pattern, other, true, &place, findings);
        if other == name {
            findings.add(&place, "a role cannot answer for itself", None);
        }
    }
    if let Some(max) = one.max_instances.filter(|max| one.min_instances > *max) {
        let message = format!("minInstances ({}) is more than maxInstances ({max})", one.min_instances);
        findings.add(&place.field("minInstances"), message, Some(format!("write {max} or less")));
    }
    if one.singleton && one.max_instances.is_some_and(|max| max > 1) {
        let suggestion = "leave out one of the two".to_owned();
        findings.add(&place.field("maxInstances"), "a singleton has one agent", Some(suggestion));
    }
    if one.singleton && one.min_instances > 1 {
        findings.add(&place.field("minInstances"), "a singleton has one agent", None);
    }
    if one.managed && one.types().is_empty() {
        let suggestion = "add `agentType: claude`".to_owned();
        findings.add(&place.field("agentType"), "a managed role needs an agent type", Some(suggestion));
    }
    for (index, capability) in one.capabilities.iter().enumerate() {
        if capability.trim().is_empty() {
            let place = place.field("capabilities").index(index);
            findings.add(&place, "a capability is a word, not blank", None);
        }
    }
    for (field, text) in one.workdir.iter().map(|text| ("workdir", text)) {
        template(text, given, &place.field(field), findings);
    }
    for (variable, text) in &one.env {
        template(text, given, &place.field("env").field(variable), findings);
    }
    if !one.managed {
        unmanaged(one, place, findings);
    }
}

/// What only a role whose agents are spawned can have.
fn unmanaged(one: &Role, place: &Place, findings: &mut Findings<'_>) {
    if one.capabilities.is_empty() && one.types().is_empty() {
        let suggestion = "add `capabilities`, or `managed: true` to have agents spawned".to_owned();
        let message = "nothing says which running agents may take this role";
        findings.add(&place.field("capabilities"), message, Some(suggestion));
    }
    let spawning = [
        ("minInstances", one.min_instances > 0),
        ("runtime", one.runtime.is_some()),
        ("workdir", one.workdir.is_some()),
        ("approvals", one.approvals.is_some()),
        ("model", one.model.is_some()),
        ("args", !one.args.is_empty()),
        ("env", !one.env.is_empty()),
        ("image", one.image.is_some()),
    ];
    for (field, _) in spawning.into_iter().filter(|(_, given)| *given) {
        let suggestion = format!("add `managed: true`, or leave `{field}` out");
        let message = format!("`{field}` is for agents that are spawned, and this role takes running ones");
        findings.add(&place.field(field), message, Some(suggestion));
    }
}

/// Roles that report to each other in a circle: each circle once, at the role that comes first.
fn cycles(pattern: &Pattern, roles: &Place, findings: &mut Findings<'_>) {
    let above = |name: &str| pattern.structure.roles.get(name).and_then(|one| one.reports_to.as_deref());
    for name in pattern.structure.roles.keys() {
        let mut chain = vec![name.as_str()];
        while let Some(next) = above(chain[chain.len() - 1]) {
            if next == name {
                chain.push(next);
                if chain.iter().all(|other| *other >= name.as_str()) {
                    let circle = chain.join(" → ");
                    let suggestion = "let one of them report to nobody".to_owned();
                    let message = format!("these roles report to each other: {circle}");
                    findings.add(&roles.field(name).field("reportsTo"), message, Some(suggestion));
                }
                break;
            }
            if chain.contains(&next) {
                break;
            }
            chain.push(next);
        }
    }
}

fn words(pattern: &Pattern, words: &Words, user: bool, place: &Place, findings: &mut Findings<'_>) {
    if words.words().is_empty() {
        findings.add(place, "name at least one role, or `\"*\"`", None);
    }
    for (index, word) in words.words().iter().enumerate().filter(|(_, word)| *word != "*") {
        let place = match words {
            Words::One(_) => place.clone(),
            Words::Several(_) => place.index(index),
        };
        role(pattern, word, user, &place, findings);
    }
}
