//! Where questions and copies of messages go: pure functions of the org chart.

use std::collections::{BTreeSet, HashSet};

use parallax_api::execution::{Question, QuestionKind, USER};
use parallax_api::text::cut;

use crate::pattern::{Behavior, MaxDepthBehavior, MessageType, Pattern, Rule};
use crate::topics::topics_in;

/// The name of the answerer when the escalation policy of the file decides.
pub(super) const POLICY: &str = "policy";
/// Notes that wait for one role at most; further ones are dropped.
pub(super) const MAX_NOTES: usize = 20;
/// The longest note, in characters.
const MAX_NOTE: usize = 2000;

/// Where a question goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// To these roles, one after the other.
    Each(Vec<String>, String),
    /// To these roles at once.
    All(Vec<String>, String),
    /// To a person.
    User(String),
    /// Nowhere: the step fails.
    Fail(String),
    /// Nowhere: the agent continues as it thinks best.
    BestEffort(String),
}

/// Where a question goes first.
pub(super) fn first(pattern: &Pattern, question: &Question) -> Next {
    let asker = question.role.as_deref().unwrap_or(USER);
    match question.kind {
        QuestionKind::Approval | QuestionKind::Login | QuestionKind::Attention => {
            return Next::User("only a person can".into());
        }
        // Never by rules: only by the name of the role.
        QuestionKind::Permission => {
            let allowed = pattern.structure.roles.get(asker).map(|role| role.permissions_answered_by.clone());
            let roles = allowed.unwrap_or_default();
            return to(roles, false, asker, "the role allows them to permit".into());
        }
        QuestionKind::Question => {}
    }
    let topics = topics_of(pattern, question);
    let about =
        |wanted: &[String]| wanted.is_empty() || wanted.iter().any(|topic| topics.contains(topic.as_str()));
    let fits = |rule: &&Rule| {
        rule.message_types.contains(&MessageType::Question)
            && rule.from.includes(asker)
            && about(&rule.topics)
    };
    let mut rules: Vec<&Rule> = pattern.structure.routing.iter().filter(fits).collect();
    // Stable: of rules of one priority the first in the file.
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
    for rule in rules {
        let roles = named(pattern, rule.to.as_slice(), asker);
        if !roles.is_empty() {
            return to(roles, rule.broadcast, asker, "a rule for its messages".into());
        }
    }
    let escalation = &pattern.structure.escalation;
    for route in &escalation.topic_routes {
        if !topics.contains(route.topic.as_str()) {
            continue;
        }
        let roles = named(pattern, route.to.as_slice(), asker);
        if !roles.is_empty() {
            return to(roles, false, asker, format!("the route for the topic `{}`", route.topic));
        }
    }
    match escalation.default_behavior {
        Behavior::RouteToReportsTo => up(pattern, asker, &[]),
        Behavior::SurfaceToUser => Next::User("the default behavior".into()),
        Behavior::Broadcast => {
            to(named(pattern, &["*".to_owned()], asker), true, asker, "the default behavior".into())
        }
        Behavior::Fail => Next::Fail("no rule is about it, and the default behavior is `fail`".into()),
        Behavior::ReturnBestEffort => Next::BestEffort("the default behavior".into()),
    }
}

/// Where a question goes when this role did not answer it: to the role it reports to, unless that was asked already.
pub(super) fn up(pattern: &Pattern, role: &str, asked: &[String]) -> Next {
    let above = pattern.structure.roles.get(role).and_then(|role| role.reports_to.clone());
    match above {
        Some(above) if above == USER => Next::User(format!("`{role}` reports to a person")),
        Some(above) if asked.contains(&above) => Next::User(format!("`{above}` was asked already")),
        Some(above) => Next::Each(vec![above], format!("`{role}` reports to it")),
        None => Next::User(format!("`{role}` reports to nobody")),
    }
}

/// Where a question goes that was passed on `maxDepth` times.
pub(super) fn at_max_depth(pattern: &Pattern, question: &Question, asked: &[String]) -> Next {
    let asker = question.role.as_deref().unwrap_or(USER);
    let why = || "it was passed on as often as `maxDepth` allows".to_owned();
    match pattern.structure.escalation.on_max_depth {
        // A CLI that waits for permission cannot continue as it thinks best.
        _ if question.kind != QuestionKind::Question => Next::User(why()),
        MaxDepthBehavior::SurfaceToUser => Next::User(why()),
        MaxDepthBehavior::Fail => Next::Fail(why()),
        MaxDepthBehavior::ReturnBestEffort => Next::BestEffort(why()),
        MaxDepthBehavior::Broadcast => {
            let mut others = named(pattern, &["*".to_owned()], asker);
            others.retain(|role| !asked.contains(role));
            to(others, true, asker, why())
        }
    }
}

/// The topics of the file that a question is about: those that it states, or else those in its words.
fn topics_of<'a>(pattern: &'a Pattern, question: &Question) -> BTreeSet<&'a str> {
    let structure = &pattern.structure;
    let routes = structure.escalation.topic_routes.iter().map(|route| &route.topic);
    let topics = structure.routing.iter().flat_map(|rule| &rule.topics).chain(routes).map(String::as_str);
    if question.topics.is_empty() {
        return topics_in(&question.text, topics);
    }
    let stated: HashSet<String> = question.topics.iter().map(|topic| topic.to_ascii_lowercase()).collect();
    topics.filter(|topic| stated.contains(&topic.to_ascii_lowercase())).collect()
}

/// The roles that get a copy of a message to or from the role `from`.
pub(super) fn copies(pattern: &Pattern, kind: MessageType, from: &str, text: &str) -> Vec<String> {
    let fits = |rule: &&Rule| rule.message_types.contains(&kind) && rule.from.includes(from);
    let rules: Vec<&Rule> = pattern.structure.routing.iter().filter(fits).collect();
    let topics = topics_in(text, rules.iter().flat_map(|rule| &rule.topics).map(String::as_str));
    let about = |rule: &&&Rule| {
        rule.topics.is_empty() || rule.topics.iter().any(|topic| topics.contains(topic.as_str()))
    };
    let words = rules.iter().filter(about).flat_map(|rule| rule.to.as_slice());
    let mut roles = named(pattern, words, from);
    roles.retain(|role| role != USER);
    roles
}

/// A copy of a message.
pub(super) fn note(kind: MessageType, from: &str, text: &str) -> String {
    let what = match kind {
        MessageType::Task => format!("\"{from}\" was given this task"),
        MessageType::Question => format!("\"{from}\" asked"),
        MessageType::Response => format!("\"{from}\" answered"),
        MessageType::Status => format!("a step of \"{from}\" failed"),
    };
    format!("{what}: {}", cut(text.trim().to_owned(), MAX_NOTE))
}

fn to(mut roles: Vec<String>, all: bool, asker: &str, why: String) -> Next {
    roles.retain(|role| role != asker);
    match roles.as_slice() {
        [] => Next::User(why),
        [one] if one == USER => Next::User(why),
        _ if all => Next::All(roles, why),
        _ => Next::Each(roles, why),
    }
}

/// The roles that these words name, each once, without `asker`.
fn named<'a>(pattern: &Pattern, words: impl IntoIterator<Item = &'a String>, asker: &str) -> Vec<String> {
    let mut seen: HashSet<&str> = HashSet::from([asker]);
    let mut roles = Vec::new();
    let mut has_all = false;
    for word in words {
        if word != "*" {
            roles.extend(seen.insert(word.as_str()).then(|| word.clone()));
        } else if !has_all {
            // Once: a file may name all roles in many rules.
            has_all = true;
            roles
                .extend(pattern.structure.roles.keys().filter(|role| !seen.contains(role.as_str())).cloned());
        }
    }
    if has_all {
        // A role that is named after `"*"` is there already.
        let mut once = HashSet::new();
        roles.retain(|role| once.insert(role.clone()));
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHART: &str = "
name: chart
structure:
  roles:
    ceo: {agentType: a, managed: true}
    lead: {agentType: a, managed: true, reportsTo: ceo}
    dev: {agentType: a, managed: true, reportsTo: lead, permissionsAnsweredBy: [lead]}
    law: {agentType: a, managed: true, reportsTo: user}
  routing:
    - {from: dev, to: [law, lead], topics: [license]}
    - {from: '*', to: '*', topics: [fire], broadcast: true, priority: 5}
    - {from: dev, to: ceo, messageTypes: [response, status], topics: [done]}
  escalation:
    topicRoutes: [{topic: data base, to: ceo}, {topic: money, to: user}]
workflow: {steps: [{type: assign, role: dev, task: t}]}
";

    fn question(role: &str, kind: QuestionKind, topics: &[&str], text: &str) -> Question {
        Question {
            id: "q".into(),
            kind,
            step: "0".into(),
            role: Some(role.into()),
            agent_id: None,
            attention_id: None,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            text: text.into(),
            options: vec![],
            login_url: None,
            tool: None,
            plan: None,
            danger: None,
        }
    }

    /// `each a b`, `all a b`, `user`, …
    fn word(next: Next) -> String {
        match next {
            Next::Each(roles, _) => format!("each {}", roles.join(" ")),
            Next::All(roles, _) => format!("all {}", roles.join(" ")),
            Next::User(_) => "user".into(),
            Next::Fail(_) => "fail".into(),
            Next::BestEffort(_) => "best effort".into(),
        }
    }

    #[test]
    fn questions_go_where_rules_say_and_else_up() {
        let pattern = crate::check::read(CHART).unwrap();
        let ask = QuestionKind::Question;
        for (role, kind, topics, text, expected) in [
            ("dev", ask, &[][..], "which colour?", "each lead"),
            ("dev", ask, &[], "is the license good?", "each law lead"),
            ("dev", ask, &["license"], "is it good?", "each law lead"),
            ("dev", ask, &["colour"], "license or fire?", "each lead"),
            ("dev", ask, &[], "license, and FIRE!", "all ceo law lead"),
            ("ceo", ask, &[], "fire", "all dev law lead"),
            ("lead", ask, &[], "which data base?", "each ceo"),
            ("lead", ask, &["money"], "how much?", "user"),
            ("ceo", ask, &[], "database?", "user"),
            ("law", ask, &[], "well?", "user"),
            ("dev", QuestionKind::Permission, &[], "fire?", "each lead"),
            ("lead", QuestionKind::Permission, &[], "fire?", "user"),
            ("dev", QuestionKind::Login, &[], "log in", "user"),
            ("dev", QuestionKind::Attention, &[], "no output for 15 minutes", "user"),
        ] {
            let next = first(&pattern, &question(role, kind, topics, text));
            assert_eq!(word(next), expected, "{role} {text}");
        }
        assert_eq!(word(up(&pattern, "lead", &["ceo".into()])), "user", "nobody is asked twice");
        assert_eq!(copies(&pattern, MessageType::Response, "dev", "all done"), ["ceo"]);
        assert!(copies(&pattern, MessageType::Response, "dev", "not yet").is_empty());
        assert!(copies(&pattern, MessageType::Task, "dev", "done").is_empty());
    }
}
