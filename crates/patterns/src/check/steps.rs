//! The workflow: ids, roles, variables, conditions, and steps that no run can reach.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::{check_role, check_template, check_word, type_of};
use crate::expression;
use crate::expression::types::{self, Type, TypeEnv};
use crate::field_path::FieldPath;
use crate::findings::Findings;
use crate::pattern::{
    Aggregate, AggregateStrategy, Approve, Condition, Output, Pattern, Step, default_result_name, descendants,
};
use crate::suggest::suggestion;

/// Steps of a workflow at most, nested ones included.
const MAX_STEPS: usize = 500;

pub(super) fn check(pattern: &Pattern, given: &TypeEnv, findings: &mut Findings<'_>) {
    let path = FieldPath::top().field("workflow");
    let steps = &pattern.workflow.steps;
    if descendants(steps).count() > MAX_STEPS {
        findings.add(&path.field("steps"), format!("a workflow has at most {MAX_STEPS} steps"), None);
        return;
    }
    let mut checker = StepChecker { pattern, findings, seen: BTreeMap::new() };
    let mut known = given.clone();
    for (index, step) in steps.iter().enumerate() {
        let result = checker.step(step, &mut known, &path.field("steps").index(index));
        known.types.insert(default_result_name(index), result);
    }
    match &pattern.workflow.output {
        None => {}
        Some(Output::One(text)) => check_template(text, &known, &path.field("output"), findings),
        Some(Output::Several(texts)) => {
            for (name, text) in texts {
                check_template(text, &known, &path.field("output").field(name), findings);
            }
        }
    }
}

struct StepChecker<'a, 'b> {
    pattern: &'a Pattern,
    findings: &'a mut Findings<'b>,
    /// The ids so far, with the paths of their first use.
    seen: BTreeMap<String, FieldPath>,
}

impl StepChecker<'_, '_> {
    /// Checks a step; what is known afterwards is in `known`. Gives the type of its result.
    fn step(&mut self, step: &Step, known: &mut TypeEnv, path: &FieldPath) -> Type {
        self.id(step, path);
        let result = match step {
            Step::Assign(step) => {
                self.role(&step.role, false, &path.field("role"));
                self.template(&step.task, known, &path.field("task"));
                match &step.answer {
                    None => Type::Any,
                    Some(fields) => {
                        for name in fields.keys() {
                            check_word(name, &path.field("answer").field(name), "a field", self.findings);
                        }
                        Type::record(fields.iter().map(|(name, field)| (name.clone(), type_of(*field))))
                    }
                }
            }
            Step::Select(step) => {
                for (index, name) in step.roles.iter().enumerate() {
                    self.role(name, false, &path.field("roles").index(index));
                }
                self.template(&step.task, known, &path.field("task"));
                Type::Any
            }
            Step::Review(step) => {
                self.role(&step.reviewer, false, &path.field("reviewer"));
                self.template(&step.subject, known, &path.field("subject"));
                if let Some(criteria) = &step.criteria {
                    self.template(criteria, known, &path.field("criteria"));
                }
                verdict()
            }
            Step::Approve(step) => self.approve(step, known, path),
            Step::Aggregate(step) => self.aggregate(step, known, path),
            Step::Diff(step) => {
                self.workspace_of(&step.role, &path.field("role"));
                if let Some(file) = &step.file {
                    self.template(file, known, &path.field("file"));
                }
                Type::Text
            }
            Step::Merge(step) => {
                self.workspace_of(&step.role, &path.field("role"));
                self.template(&step.into, known, &path.field("into"));
                if let Some(message) = &step.message {
                    self.template(message, known, &path.field("message"));
                }
                record(&[("into", Type::Text), ("commit", Type::Text)])
            }
            Step::Parallel(step) => self.parallel(&step.steps, known, path),
            Step::Sequential(step) => {
                let mut last = Type::Any;
                for (index, inner) in step.steps.iter().enumerate() {
                    last = self.step(inner, known, &path.field("steps").index(index));
                }
                last
            }
            Step::Condition(step) => self.condition(step, known, path),
        };
        if let Some(id) = step.id() {
            known.maybe.remove(id);
            known.types.insert(id.to_owned(), result.clone());
        }
        result
    }

    fn approve(&mut self, step: &Approve, known: &TypeEnv, path: &FieldPath) -> Type {
        self.role(&step.approver, true, &path.field("approver"));
        self.template(&step.subject, known, &path.field("subject"));
        verdict()
    }

    fn parallel(&mut self, steps: &[Step], known: &mut TypeEnv, path: &FieldPath) -> Type {
        let before = known.clone();
        let others: BTreeSet<String> = ids(steps).into_iter().collect();
        for (index, inner) in steps.iter().enumerate() {
            // The branches run at the same time: none sees the results of another.
            let mut own = before.clone();
            for other in steps.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, step)| step) {
                for id in ids(std::slice::from_ref(other)) {
                    own.maybe.insert(id, "it is done at the same time".into());
                }
            }
            self.step(inner, &mut own, &path.field("steps").index(index));
            let mine: BTreeSet<String> = ids(std::slice::from_ref(inner)).into_iter().collect();
            known.types.extend(own.types);
            let elsewhere = |id: &String| !others.contains(id) || mine.contains(id);
            known.maybe.extend(own.maybe.into_iter().filter(|(id, _)| elsewhere(id)));
        }
        Type::List
    }

    fn condition(&mut self, step: &Condition, known: &mut TypeEnv, path: &FieldPath) -> Type {
        let mut always = None;
        match expression::parse(&step.r#if) {
            Err(why) => self.findings.add(&path.field("if"), why, None),
            Ok(condition) => match types::check(&condition, known) {
                Err(errors) => self.findings.type_errors(&path.field("if"), errors),
                Ok(Type::Any | Type::Boolean) => always = types::constant(&condition),
                Ok(other) => {
                    let message = format!("a condition is true or false, and this is {}", other.word());
                    self.findings.add(&path.field("if"), message, Some("compare it: `… == …`".into()));
                }
            },
        }
        if step.then.is_empty() && step.r#else.is_empty() {
            self.findings.add(path, "a condition needs steps in `then` or in `else`", None);
        }
        for (field, steps, never) in [("then", &step.then, false), ("else", &step.r#else, true)] {
            if always == Some(never) && !steps.is_empty() {
                let message = format!("no run reaches these steps: the condition is always {never}");
                let suggestion = format!("leave `{field}` out, or let the condition depend on a variable");
                self.findings.add(&path.field(field), message, Some(suggestion));
            }
            let mut own = known.clone();
            for (index, inner) in steps.iter().enumerate() {
                self.step(inner, &mut own, &path.field(field).index(index));
            }
        }
        for id in ids(&step.then).into_iter().chain(ids(&step.r#else)) {
            known.maybe.insert(id, "it stands in a condition; use the id of the condition".into());
        }
        Type::Any
    }

    fn aggregate(&mut self, step: &Aggregate, known: &TypeEnv, path: &FieldPath) -> Type {
        let mut once = BTreeSet::new();
        for (index, id) in step.of.iter().enumerate() {
            if self.findings.is_full() {
                break;
            }
            let path = path.field("of").index(index);
            if !once.insert(id) {
                self.findings.add(&path, format!("`{id}` stands twice in this list"), None);
            } else if !self.seen.contains_key(id) {
                let ids = self.seen.keys().map(String::as_str);
                let suggestion = suggestion(id, ids);
                self.findings.add(&path, format!("no step before this one has the id `{id}`"), suggestion);
            } else if let Some(why) = known.maybe.get(id) {
                self.findings.add(&path, format!("`{id}` may have no result here: {why}"), None);
            }
        }
        match &step.judge {
            Some(judge) => self.role(judge, false, &path.field("judge")),
            None if step.strategy == AggregateStrategy::Best => {
                let suggestion = "add `judge`: the role that decides".to_owned();
                self.findings.add(&path.field("judge"), "`best` needs a judge", Some(suggestion));
            }
            None => {}
        }
        if let Some(criteria) = &step.criteria {
            self.template(criteria, known, &path.field("criteria"));
            if step.judge.is_none() {
                self.findings.add(
                    &path.field("criteria"),
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

    fn id(&mut self, step: &Step, path: &FieldPath) {
        let Some(id) = step.id() else { return };
        let path = path.field("id");
        check_word(id, &path, "a step", self.findings);
        if matches!(id, "input" | "context" | "true" | "false" | "null")
            || (id.starts_with("step_") && id.ends_with("_result"))
        {
            self.findings.add(&path, format!("`{id}` has a meaning of its own"), None);
        }
        if let Some(first) = self.seen.insert(id.to_owned(), path.clone()) {
            let message = format!("the id `{id}` is taken by {first}");
            self.findings.add(&path, message, Some(format!("call it `{id}-2`")));
        }
    }

    fn role(&mut self, name: &str, user: bool, path: &FieldPath) {
        check_role(self.pattern, name, user, path, self.findings);
    }

    /// A role with one workspace.
    fn workspace_of(&mut self, name: &str, path: &FieldPath) {
        self.role(name, false, path);
        let Some(role) = self.pattern.structure.roles.get(name) else { return };
        if role.workspace.is_none() {
            let suggestion = format!("add `workspace` to the role `{name}`");
            self.findings.add(path, format!("the role `{name}` has no workspace"), Some(suggestion));
        } else if role.most() > 1 && !role.shares_workspace() {
            let suggestion = "add `shared: true` to its workspace, or have one agent".to_owned();
            let message = format!(
                "each agent of the role `{name}` has a workspace of its own: it is not clear which is meant"
            );
            self.findings.add(path, message, Some(suggestion));
        }
    }

    fn template(&mut self, text: &str, known: &TypeEnv, path: &FieldPath) {
        if text.trim().is_empty() {
            self.findings.add(path, "this is blank: say what is wanted", None);
        }
        check_template(text, known, path, self.findings);
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
    Type::record(fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())))
}

/// The ids of these steps and of those in them.
fn ids(steps: &[Step]) -> Vec<String> {
    descendants(steps).filter_map(|step| step.id().map(str::to_owned)).collect()
}
