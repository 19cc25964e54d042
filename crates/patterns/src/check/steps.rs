//! The workflow: ids, roles, variables, conditions, and steps that no run can reach.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, role, template, type_of, word};
use crate::expression;
use crate::expression::template::Template;
use crate::expression::types::{self, Known, Type};
use crate::pattern::{Aggregate, AggregateStrategy, Approve, Condition, Output, Pattern, Step};
use crate::place::Place;
use crate::suggest::suggestion;

/// Steps of a workflow at most, nested ones included.
const MAX_STEPS: usize = 500;

/// The name of a result by place.
pub fn numbered(index: usize) -> String {
    format!("step_{index}_result")
}

pub(super) fn check(pattern: &Pattern, given: &Known, findings: &mut Findings<'_>) {
    let place = Place::top().field("workflow");
    let steps = &pattern.workflow.steps;
    let mut count = 0;
    each(steps, &mut |_| count += 1);
    if count > MAX_STEPS {
        findings.add(&place.field("steps"), format!("a workflow has at most {MAX_STEPS} steps"), None);
        return;
    }
    let mut walk = Walk { pattern, findings, seen: BTreeMap::new() };
    let mut known = given.clone();
    for (index, step) in steps.iter().enumerate() {
        let result = walk.step(step, &mut known, &place.field("steps").index(index));
        known.types.insert(numbered(index), result);
    }
    match &pattern.workflow.output {
        None => {}
        Some(Output::One(text)) => template(text, &known, &place.field("output"), findings),
        Some(Output::Several(texts)) => {
            for (name, text) in texts {
                template(text, &known, &place.field("output").field(name), findings);
            }
        }
    }
}

struct Walk<'a, 'b> {
    pattern: &'a Pattern,
    findings: &'a mut Findings<'b>,
    /// Ids with the places they were given at.
    seen: BTreeMap<String, Place>,
}

impl Walk<'_, '_> {
    /// Checks a step; what is known afterwards is in `known`. Gives the type of its result.
    fn step(&mut self, step: &Step, known: &mut Known, place: &Place) -> Type {
        self.id(step, place);
        let result = match step {
            Step::Assign(step) => {
                self.role(&step.role, false, &place.field("role"));
                self.template(&step.task, known, &place.field("task"));
                match &step.answer {
                    None => Type::Any,
                    Some(fields) => {
                        for name in fields.keys() {
                            word(name, &place.field("answer").field(name), "a field", self.findings);
                        }
                        Type::Record(
                            fields.iter().map(|(name, field)| (name.clone(), type_of(*field))).collect(),
                        )
                    }
                }
            }
            Step::Select(step) => {
                for (index, name) in step.roles.iter().enumerate() {
                    self.role(name, false, &place.field("roles").index(index));
                }
                self.template(&step.task, known, &place.field("task"));
                Type::Any
            }
            Step::Review(step) => {
                self.role(&step.reviewer, false, &place.field("reviewer"));
                self.template(&step.subject, known, &place.field("subject"));
                if let Some(criteria) = &step.criteria {
                    self.template(criteria, known, &place.field("criteria"));
                }
                verdict()
            }
            Step::Approve(step) => self.approve(step, known, place),
            Step::Aggregate(step) => self.aggregate(step, known, place),
            Step::Parallel(step) => self.parallel(&step.steps, known, place),
            Step::Sequential(step) => {
                let mut last = Type::Any;
                for (index, inner) in step.steps.iter().enumerate() {
                    last = self.step(inner, known, &place.field("steps").index(index));
                }
                last
            }
            Step::Condition(step) => self.condition(step, known, place),
        };
        if let Some(id) = step.id() {
            known.maybe.remove(id);
            known.types.insert(id.to_owned(), result.clone());
        }
        result
    }

    fn approve(&mut self, step: &Approve, known: &Known, place: &Place) -> Type {
        self.role(&step.approver, true, &place.field("approver"));
        self.template(&step.subject, known, &place.field("subject"));
        verdict()
    }

    fn parallel(&mut self, steps: &[Step], known: &mut Known, place: &Place) -> Type {
        let before = known.clone();
        for (index, inner) in steps.iter().enumerate() {
            // They run at the same time: none sees what another brings.
            let mut own = before.clone();
            for other in steps.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, step)| step) {
                for id in ids(std::slice::from_ref(other)) {
                    own.maybe.insert(id, "it is done at the same time".into());
                }
            }
            self.step(inner, &mut own, &place.field("steps").index(index));
            let others: BTreeSet<String> = ids(steps).into_iter().collect();
            let mine: BTreeSet<String> = ids(std::slice::from_ref(inner)).into_iter().collect();
            known.types.extend(own.types);
            let elsewhere = |id: &String| !others.contains(id) || mine.contains(id);
            known.maybe.extend(own.maybe.into_iter().filter(|(id, _)| elsewhere(id)));
        }
        Type::List
    }

    fn condition(&mut self, step: &Condition, known: &mut Known, place: &Place) -> Type {
        let mut always = None;
        match expression::parse(&step.r#if) {
            Err(why) => self.findings.add(&place.field("if"), why, None),
            Ok(condition) => match types::check(&condition, known) {
                Err(mistakes) => self.findings.mistakes(&place.field("if"), mistakes),
                Ok(Type::Any | Type::Boolean) => always = types::constant(&condition),
                Ok(other) => {
                    let message = format!("a condition is true or false, and this is {}", other.word());
                    self.findings.add(&place.field("if"), message, Some("compare it: `… == …`".into()));
                }
            },
        }
        if step.then.is_empty() && step.r#else.is_empty() {
            self.findings.add(place, "a condition needs steps in `then` or in `else`", None);
        }
        for (field, steps, never) in [("then", &step.then, false), ("else", &step.r#else, true)] {
            if always == Some(never) && !steps.is_empty() {
                let message = format!("no run reaches these steps: the condition is always {never}");
                let suggestion = format!("leave `{field}` out, or let the condition depend on a variable");
                self.findings.add(&place.field(field), message, Some(suggestion));
            }
            let mut own = known.clone();
            for (index, inner) in steps.iter().enumerate() {
                self.step(inner, &mut own, &place.field(field).index(index));
            }
        }
        for id in ids(&step.then).into_iter().chain(ids(&step.r#else)) {
            known.maybe.insert(id, "it stands in a condition; use the id of the condition".into());
        }
        Type::Any
    }

    fn aggregate(&mut self, step: &Aggregate, known: &Known, place: &Place) -> Type {
        for (index, id) in step.of.iter().enumerate() {
            let place = place.field("of").index(index);
            if !self.seen.contains_key(id) {
                let ids = self.seen.keys().map(String::as_str);
                let suggestion = suggestion(id, ids);
                self.findings.add(&place, format!("no step before this one has the id `{id}`"), suggestion);
            } else if let Some(why) = known.maybe.get(id) {
                self.findings.add(&place, format!("`{id}` may have no result here: {why}"), None);
            }
        }
        match &step.judge {
            Some(judge) => self.role(judge, false, &place.field("judge")),
            None if step.strategy == AggregateStrategy::Best => {
                let suggestion = "add `judge`: the role that decides".to_owned();
                self.findings.add(&place.field("judge"), "`best` needs a judge", Some(suggestion));
            }
            None => {}
        }
        if let Some(criteria) = &step.criteria {
            self.template(criteria, known, &place.field("criteria"));
            if step.judge.is_none() {
                self.findings.add(
                    &place.field("criteria"),
                    "criteria are for a judge, and there is none",
                    None,
                );
            }
        }
        record(&[
            ("answer", Type::Any),
            ("agreed", Type::Boolean),
            ("votes", Type::Number),
            ("of", Type::Number),
        ])
    }

    fn id(&mut self, step: &Step, place: &Place) {
        let Some(id) = step.id() else { return };
        let place = place.field("id");
        word(id, &place, "a step", self.findings);
        if matches!(id, "input" | "context" | "true" | "false" | "null")
            || (id.starts_with("step_") && id.ends_with("_result"))
        {
            self.findings.add(&place, format!("`{id}` has a meaning of its own"), None);
        }
        if let Some(first) = self.seen.insert(id.to_owned(), place.clone()) {
            let message = format!("the id `{id}` is taken by {first}");
            self.findings.add(&place, message, Some(format!("call it `{id}-2`")));
        }
    }

    fn role(&mut self, name: &str, user: bool, place: &Place) {
        role(self.pattern, name, user, place, self.findings);
    }

    fn template(&mut self, text: &str, known: &Known, place: &Place) {
        if text.trim().is_empty() {
            self.findings.add(place, "this is blank: say what is wanted", None);
        }
        template(text, known, place, self.findings);
    }
}

fn verdict() -> Type {
    record(&[
        ("approved", Type::Boolean),
        ("verdict", Type::Text),
        ("comments", Type::Text),
        ("by", Type::Text),
    ])
}

fn record(fields: &[(&str, Type)]) -> Type {
    Type::Record(fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())).collect())
}

/// The ids of these steps and of those in them.
fn ids(steps: &[Step]) -> Vec<String> {
    let mut ids = Vec::new();
    each(steps, &mut |step| ids.extend(step.id().map(str::to_owned)));
    ids
}

fn each<'a>(steps: impl IntoIterator<Item = &'a Step>, look: &mut impl FnMut(&'a Step)) {
    let mut waiting: Vec<&Step> = steps.into_iter().collect();
    while let Some(step) = waiting.pop() {
        look(step);
        waiting.extend(step.children().into_iter().map(|(_, _, child)| child));
    }
}

/// The names in `${input.…}` anywhere in the file.
pub(super) fn input_names(pattern: &Pattern) -> BTreeSet<String> {
    let mut texts: Vec<&str> = Vec::new();
    let mut conditions: Vec<&str> = Vec::new();
    each(&pattern.workflow.steps, &mut |step| match step {
        Step::Assign(step) => texts.push(&step.task),
        Step::Select(step) => texts.push(&step.task),
        Step::Review(step) => {
            texts.push(&step.subject);
            texts.extend(step.criteria.as_deref());
        }
        Step::Approve(step) => texts.push(&step.subject),
        Step::Aggregate(step) => texts.extend(step.criteria.as_deref()),
        Step::Condition(step) => conditions.push(&step.r#if),
        Step::Parallel(_) | Step::Sequential(_) => {}
    });
    match &pattern.workflow.output {
        None => {}
        Some(Output::One(text)) => texts.push(text),
        Some(Output::Several(several)) => texts.extend(several.values().map(String::as_str)),
    }
    for role in pattern.structure.roles.values() {
        texts.extend(role.workdir.as_deref());
        texts.extend(role.env.values().map(String::as_str));
    }
    let mut names = BTreeSet::new();
    let mut take = |variable: &expression::Variable| {
        if variable.root == "input" {
            names.extend(variable.fields.first().cloned());
        }
    };
    for template in texts.into_iter().filter_map(|text| Template::parse(text).ok()) {
        template.variables().for_each(&mut take);
    }
    for condition in conditions.into_iter().filter_map(|text| expression::parse(text).ok()) {
        condition.variables().into_iter().for_each(&mut take);
    }
    names
}
