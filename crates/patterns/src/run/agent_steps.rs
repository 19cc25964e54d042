//! The steps that ask an agent or a person: assign, select, review, approve and aggregate.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parallax_api::AttentionOption;
use parallax_api::agent::MAX_MESSAGE;
use parallax_api::execution::{ExecutionEventData as Data, Question, QuestionKind, SentKind, USER};
use serde_json::{Value, json};

use super::engine::Engine;
use super::messaging::OutgoingMessage;
use super::pool::{Pool, PooledAgent};
use super::prompt::{self, Judging};
use super::step_error::StepError;
use crate::answer_parser::{self, Verdict};
use crate::expression::values::{as_text, text_size};
use crate::pattern::{
    Aggregate, AggregateStrategy, Approve, FieldType, MessageType, Review, Select, SelectStrategy,
};
use crate::topics::topics_in;

/// The options of an approval.
const APPROVE: &str = "approve";
const REJECT: &str = "reject";

impl Engine {
    /// A role does a task.
    pub(super) async fn assign(
        &self,
        role: &str,
        task: &str,
        fields: Option<&BTreeMap<String, FieldType>>,
        at: &str,
    ) -> Result<Value, StepError> {
        self.leave_notes(MessageType::Task, at, role, task).await?;
        let mut agent = self.checkout_for(role, at).await?;
        let (answer, result) = match fields {
            None => {
                let answer = self.ask_once(&mut agent, at, 1, task.to_owned()).await?;
                (answer.clone(), Value::String(answer))
            }
            Some(fields) => {
                let text = prompt::fields(task, fields);
                let again = prompt::fields_again(fields);
                self.ask_in_form(&mut agent, at, text, &again, |answer| with_fields(answer, fields)).await?
            }
        };
        self.leave_notes(MessageType::Response, at, role, &answer).await?;
        Ok(result)
    }

    /// One of several roles does a task.
    pub(super) async fn select(&self, step: &Select, at: &str) -> Result<Value, StepError> {
        let task = self.text(&step.task)?;
        let (chosen, before) = self.store.read(|state| state.selection(at, &step.roles));
        let role = match chosen {
            Some(role) => role,
            None => {
                let role = self.choose(step, &task, before)?;
                let selected = Data::RoleSelected { step: at.to_owned(), role: role.clone() };
                self.store.append(selected).await?;
                role
            }
        };
        self.assign(&role, &task, None, at).await
    }

    fn choose(&self, step: &Select, task: &str, before: usize) -> Result<String, StepError> {
        let room = |role: &String| self.pools.get(role).map_or(0, Pool::available);
        let capabilities = |role: &String| &self.pattern.structure.roles[role].capabilities;
        let needed: BTreeSet<&str> = if step.needs.is_empty() {
            topics_in(task, step.roles.iter().flat_map(capabilities).map(String::as_str))
        } else {
            step.needs.iter().map(String::as_str).collect()
        };
        let fitness =
            |role: &String| capabilities(role).iter().filter(|word| needed.contains(word.as_str())).count();
        // Of equals, the first in the file.
        let best = |score: &dyn Fn(&String) -> (usize, usize)| {
            step.roles.iter().rev().max_by_key(|role| score(role)).cloned()
        };
        let role = match step.strategy {
            SelectStrategy::Availability => best(&|role| (room(role), 0)),
            SelectStrategy::Expertise => best(&|role| (fitness(role), room(role))),
            SelectStrategy::RoundRobin => step.roles.get(before % step.roles.len().max(1)).cloned(),
        };
        role.ok_or_else(|| StepError::permanent("VALIDATION_ERROR", "there is no role to choose from"))
    }

    /// A role judges something.
    pub(super) async fn review(&self, step: &Review, at: &str) -> Result<Value, StepError> {
        let subject = self.text(&step.subject)?;
        let criteria = step.criteria.as_deref().map(|text| self.text(text)).transpose()?;
        self.judged(&step.reviewer, &subject, criteria.as_deref(), step.gate, at).await
    }

    /// A person or a role approves.
    pub(super) async fn approve(&self, step: &Approve, at: &str) -> Result<Value, StepError> {
        let subject = self.text(&step.subject)?;
        if step.approver != USER {
            return self.judged(&step.approver, &subject, None, step.gate, at).await;
        }
        let options = [(APPROVE, "Approve: go on"), (REJECT, "Reject")].map(|(id, label)| AttentionOption {
            id: id.into(),
            label: label.into(),
            ..AttentionOption::default()
        });
        let question = Question {
            id: format!("{at}:approval"),
            kind: QuestionKind::Approval,
            step: at.to_owned(),
            role: None,
            agent_id: None,
            attention_id: None,
            topics: Vec::new(),
            text: subject,
            options: options.into(),
            login_url: None,
            tool: None,
            plan: None,
            danger: None,
        };
        let (by, answer) = self.resolve(question, None).await?;
        let verdict = match answer.option.as_deref() {
            Some(APPROVE) => Verdict::Approved,
            _ => Verdict::Rejected,
        };
        gate(verdict, &answer.text.unwrap_or_default(), &by, step.gate)
    }

    async fn judged(
        &self,
        role: &str,
        subject: &str,
        criteria: Option<&str>,
        closes: bool,
        at: &str,
    ) -> Result<Value, StepError> {
        let mut agent = self.checkout_for(role, at).await?;
        let text = prompt::review(subject, criteria);
        let (answer, verdict) =
            self.ask_in_form(&mut agent, at, text, prompt::VERDICT_AGAIN, answer_parser::verdict).await?;
        let comments = answer_parser::without_mark(&answer, "VERDICT");
        self.leave_notes(MessageType::Response, at, role, &answer).await?;
        gate(verdict, &comments, role, closes)
    }

    /// One answer out of several.
    pub(super) async fn aggregate(&self, step: &Aggregate, at: &str) -> Result<Value, StepError> {
        let answers = self.answers(&step.of)?;
        let criteria = step.criteria.as_deref().map(|text| self.text(text)).transpose()?;
        let of = answers.len();
        let (most, votes) = most_said(&answers);
        let result = |answer: String, agreed: bool, votes: usize| json!({"answer": answer, "agreed": agreed, "votes": votes, "of": of});
        let what = match step.strategy {
            AggregateStrategy::Consensus if votes == of => return Ok(result(most, true, votes)),
            AggregateStrategy::Majority if votes * 2 > of => return Ok(result(most, votes == of, votes)),
            AggregateStrategy::Merge if step.judge.is_none() => {
                let parts: Vec<String> =
                    answers.iter().map(|(id, answer)| format!("## {id}\n\n{}", answer.trim())).collect();
                return Ok(result(parts.join("\n\n"), votes == of, votes));
            }
            AggregateStrategy::Merge => Judging::Merge,
            AggregateStrategy::Best => Judging::Best,
            AggregateStrategy::Consensus | AggregateStrategy::Majority => Judging::Decide,
        };
        let Some(judge) = &step.judge else {
            let message = format!("of {of} answers at most {votes} say the same");
            return Err(StepError::permanent("NO_AGREEMENT", message));
        };
        let mut agent = self.checkout_for(judge, at).await?;
        let text = prompt::judge(what, &answers, criteria.as_deref());
        if what == Judging::Best {
            let again = prompt::best_again(of);
            let (_, index) = self
                .ask_in_form(&mut agent, at, text, &again, |answer| answer_parser::best(answer, of))
                .await?;
            return Ok(result(answers[index].1.clone(), votes == of, votes));
        }
        let answer = self.ask_once(&mut agent, at, 1, text).await?;
        Ok(result(answer.trim().to_owned(), votes == of, votes))
    }

    /// The answers of the steps with these ids, each with a name. All of them fit into one message.
    fn answers(&self, ids: &[String]) -> Result<Vec<(String, String)>, StepError> {
        let mut answers = Vec::new();
        let mut room = MAX_MESSAGE;
        let mut add = |name: String, value: &Value| {
            let Some(left) = room.checked_sub(text_size(value)) else {
                let message =
                    format!("the answers to aggregate are longer than {MAX_MESSAGE} bytes together");
                return Err(StepError::too_large(message));
            };
            room = left;
            answers.push((name, answer_in(value)));
            Ok(())
        };
        for id in ids {
            self.store.read(|state| match state.result(id) {
                // Only the result of a `parallel` step is a list.
                Some(Value::Array(results)) => {
                    let mut named = results.iter().enumerate();
                    named.try_for_each(|(index, value)| add(format!("{id}.{index}"), value))
                }
                Some(value) => add(id.clone(), value),
                None => Ok(()),
            })?;
        }
        Ok(answers)
    }

    async fn ask_once(
        &self,
        agent: &mut PooledAgent,
        at: &str,
        number: u32,
        text: String,
    ) -> Result<String, StepError> {
        let kind = if number == 1 { SentKind::Task } else { SentKind::Again };
        self.converse(agent, OutgoingMessage { key: key(at, number), step: at.to_owned(), kind, text }).await
    }

    /// Asks for an answer in a given form; once more when the answer does not have it.
    async fn ask_in_form<T>(
        &self,
        agent: &mut PooledAgent,
        at: &str,
        text: String,
        again: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<(String, T), StepError> {
        let first = self.ask_once(agent, at, 1, text).await?;
        if let Some(found) = read(&first) {
            return Ok((first, found));
        }
        let second = self.ask_once(agent, at, 2, again.to_owned()).await?;
        match read(&second) {
            Some(found) => Ok((first, found)),
            None => Err(StepError::retryable(
                "UNCLEAR_ANSWER",
                "the answer was not in the form that was asked for, twice",
            )),
        }
    }
}

/// The key of a step's message.
fn key(at: &str, number: u32) -> String {
    format!("{at}:{number}")
}

fn gate(verdict: Verdict, comments: &str, by: &str, closes: bool) -> Result<Value, StepError> {
    let approved = verdict == Verdict::Approved;
    if closes && !approved {
        let comments = if comments.is_empty() { "no comment" } else { comments };
        return Err(StepError::permanent("REJECTED", format!("rejected by `{by}`: {comments}")));
    }
    let word = if approved { "approved" } else { "rejected" };
    Ok(json!({"approved": approved, "verdict": word, "comments": comments, "by": by}))
}

/// The JSON of an answer, when it has these fields.
fn with_fields(answer: &str, fields: &BTreeMap<String, FieldType>) -> Option<Value> {
    let value = answer_parser::json(answer)?;
    let fits = |(name, field): (&String, &FieldType)| value.get(name).is_some_and(|value| field.holds(value));
    (value.is_object() && fields.iter().all(fits)).then_some(value)
}

/// The answer in a step's result.
fn answer_in(value: &Value) -> String {
    let answer = value.get("answer").or(value.get("verdict"));
    as_text(answer.filter(|answer| answer.is_string()).unwrap_or(value)).into_owned()
}

/// The most frequent answer in the words of its first author, and how many agree.
fn most_said(answers: &[(String, String)]) -> (String, usize) {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (_, answer) in answers {
        let index = *known.entry(answer_parser::same_words(answer)).or_insert(counts.len());
        match counts.get_mut(index) {
            Some((_, count)) => *count += 1,
            None => counts.push((answer, 1)),
        }
    }
    // `max_by_key` returns the last of several: reversed, the first one wins.
    let most = counts.iter().rev().max_by_key(|(_, count)| *count);
    most.map(|(answer, count)| (answer.trim().to_owned(), *count)).unwrap_or_default()
}
