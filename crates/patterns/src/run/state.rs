//! The state of a run: the projection of its events. Replaying them from the first one gives the same state.

mod conversations;
mod deaths;
mod view;
mod wait_time;

use std::collections::{BTreeMap, HashMap, HashSet};

use parallax_api::execution::{ExecutionEventData as Data, ExecutionStatus, Fault, StepStatus, TeamMember};
use parallax_api::{AgentId, Time};
use serde_json::Value;

use super::event::RunEvent;
use super::path;
use crate::expression::values::text_size;
use crate::pattern::default_result_name;
pub(super) use conversations::{Conversations, QuestionState};
use wait_time::WaitTime;

/// Text of one run at most, in bytes: its messages, answers and results. All of it is kept and replayed.
pub(super) const MAX_RUN_TEXT: usize = 128 * 1024 * 1024;

/// The state of a run.
#[derive(Clone, Debug)]
pub struct RunState {
    id: String,
    pattern: String,
    input: BTreeMap<String, Value>,
    workdir: Option<String>,
    status: ExecutionStatus,
    output: Option<Value>,
    error: Option<Fault>,
    created_at: Time,
    updated_at: Time,
    ended_at: Option<Time>,
    cancelled: bool,
    /// Messages that a person lets it send, in all.
    raised_budget: Option<u32>,
    steps: HashMap<String, StepState>,
    /// The paths of steps in the order in which they started.
    order: Vec<String>,
    results: BTreeMap<String, Value>,
    selected: Vec<(String, String)>,
    wanted: BTreeMap<String, Wanted>,
    members: BTreeMap<AgentId, TeamMember>,
    /// The agents in the order in which they joined.
    joined: Vec<AgentId>,
    /// The agent of each role that the last new workspace was made for.
    workspaces: HashMap<String, AgentId>,
    numbers: HashMap<String, u32>,
    conversations: Conversations,
    notes: BTreeMap<String, Vec<String>>,
    note_keys: HashSet<String>,
    wait_time: WaitTime,
    spawned: u32,
    at_once: u32,
    /// How often the server died in each attempt at a step.
    deaths: HashMap<String, u32>,
    /// Why it is not resumed, if it kills its servers. Kept: its steps end before its agents do, and a server may die in between.
    lethal: Option<Fault>,
    /// The text in it, in bytes.
    text_bytes: usize,
}

/// The state of a step.
#[derive(Clone, Debug)]
pub(super) struct StepState {
    pub id: Option<String>,
    pub r#type: String,
    pub role: Option<String>,
    pub attempt: u32,
    /// When the first attempt started.
    pub first_at: Time,
    /// When this attempt started.
    pub started_at: Time,
    pub ended_at: Option<Time>,
    pub status: StepStatus,
    /// Whether this attempt has ended and another follows.
    pub again: bool,
    pub result: Option<Value>,
    pub error: Option<Fault>,
}

/// An agent that is being spawned.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub role: String,
    pub number: u32,
    pub agent_type: String,
    /// The agent whose workspace it is to work in.
    pub workspace: Option<AgentId>,
}

impl RunState {
    /// A run without events.
    pub fn new(id: &str) -> Self {
        let now = Time::from_millis(0);
        Self {
            id: id.to_owned(),
            pattern: String::new(),
            input: BTreeMap::new(),
            workdir: None,
            status: ExecutionStatus::Running,
            output: None,
            error: None,
            created_at: now,
            updated_at: now,
            ended_at: None,
            cancelled: false,
            raised_budget: None,
            steps: HashMap::new(),
            order: Vec::new(),
            results: BTreeMap::new(),
            selected: Vec::new(),
            wanted: BTreeMap::new(),
            members: BTreeMap::new(),
            joined: Vec::new(),
            workspaces: HashMap::new(),
            numbers: HashMap::new(),
            conversations: Conversations::default(),
            notes: BTreeMap::new(),
            note_keys: HashSet::new(),
            wait_time: WaitTime::default(),
            spawned: 0,
            at_once: 0,
            deaths: HashMap::new(),
            lethal: None,
            text_bytes: 0,
        }
    }

    /// The state after these events.
    pub fn replay(id: &str, history: &[RunEvent]) -> Self {
        let mut state = Self::new(id);
        history.iter().for_each(|event| state.apply(event));
        state
    }

    /// Applies one event.
    pub fn apply(&mut self, event: &RunEvent) {
        let at = event.timestamp;
        self.updated_at = at;
        self.wait_time.apply(&event.data, at);
        self.conversations.apply(&event.data, at);
        self.text_bytes += text_in(&event.data);
        match &event.data {
            Data::ExecutionStarted { pattern, input, workdir } => {
                self.pattern.clone_from(pattern);
                self.input.clone_from(input);
                self.workdir.clone_from(workdir);
                self.created_at = at;
            }
            Data::CancelRequested {} => self.cancelled = true,
            Data::BudgetRaised { messages } => self.raised_budget = Some(*messages),
            Data::ExecutionEnded { status, output, error } => {
                self.status = *status;
                self.output.clone_from(output);
                self.error.clone_from(error);
                self.ended_at = Some(at);
            }
            Data::StepStarted { step, id, r#type, attempt, role } => {
                let known = self.steps.get(step);
                if known.is_none() {
                    self.order.push(step.clone());
                }
                let state = StepState {
                    id: id.clone(),
                    r#type: r#type.clone(),
                    role: role.clone(),
                    attempt: *attempt,
                    first_at: known.map_or(at, |known| known.first_at),
                    started_at: at,
                    ended_at: None,
                    status: StepStatus::Running,
                    again: false,
                    result: None,
                    error: known.and_then(|known| known.error.clone()),
                };
                self.steps.insert(step.clone(), state);
            }
            Data::StepEnded { step, status, result, error, again, .. } => {
                self.end_step(step, *status, result, error, *again, at);
            }
            Data::RoleSelected { step, role } => self.selected.push((step.clone(), role.clone())),
            Data::AgentWanted { key, role, number, r#type, workspace } => {
                let wanted = Wanted {
                    role: role.clone(),
                    number: *number,
                    agent_type: r#type.clone(),
                    workspace: workspace.clone(),
                };
                self.wanted.insert(key.clone(), wanted);
                self.count(role, *number);
            }
            Data::AgentRefused { key, .. } => {
                self.wanted.remove(key);
            }
            Data::AgentJoined { member } => self.join(member),
            Data::AgentLeft { agent_id, .. } => {
                if let Some(member) = self.members.get_mut(agent_id) {
                    member.present = false;
                }
            }
            Data::MessageSent { role, notes, .. } => {
                if let Some(waiting) = self.notes.get_mut(role) {
                    waiting.drain(..(*notes).min(waiting.len()));
                }
            }
            Data::NoteLeft { key, to, text, .. } => {
                self.note_keys.insert(key.clone());
                self.notes.entry(to.clone()).or_default().push(text.clone());
            }
            Data::ExecutionResumed { crashed } => self.resume(*crashed),
            Data::ExecutionEnding {}
            | Data::MessageAnswered { .. }
            | Data::MessageFailed { .. }
            | Data::MessageAbandoned { .. }
            | Data::QuestionAsked { .. }
            | Data::QuestionRouted { .. }
            | Data::QuestionDeclined { .. }
            | Data::QuestionAnswered { .. }
            | Data::QuestionDelivered { .. }
            | Data::QuestionWithdrawn { .. } => {}
        }
    }

    fn end_step(
        &mut self,
        step: &str,
        status: StepStatus,
        result: &Option<Value>,
        error: &Option<Fault>,
        again: bool,
        at: Time,
    ) {
        let Some(state) = self.steps.get_mut(step) else { return };
        state.status = status;
        state.again = again;
        state.result.clone_from(result);
        state.error.clone_from(error);
        state.ended_at = Some(at);
        if let (StepStatus::Completed, Some(result)) = (status, result) {
            let id = state.id.clone();
            self.results.extend(id.map(|id| (id, result.clone())));
            self.results.extend(path::number(step).map(|index| (default_result_name(index), result.clone())));
        }
    }

    fn join(&mut self, member: &TeamMember) {
        let resolved = |wanted: &Wanted| wanted.role == member.role && wanted.number == member.number;
        if self.wanted.values().any(|wanted| resolved(wanted) && wanted.workspace.is_none()) {
            self.workspaces.insert(member.role.clone(), member.agent_id.clone());
        }
        self.wanted.retain(|_, wanted| !resolved(wanted));
        self.count(&member.role, member.number);
        self.spawned += u32::from(member.managed);
        if self.members.insert(member.agent_id.clone(), member.clone()).is_none() {
            self.joined.push(member.agent_id.clone());
        }
        let present = self.members.values().filter(|member| member.present && member.managed).count();
        self.at_once = self.at_once.max(u32::try_from(present).unwrap_or(u32::MAX));
    }

    fn count(&mut self, role: &str, number: u32) {
        let last = self.numbers.entry(role.to_owned()).or_default();
        *last = number.max(*last);
    }

    /// The inputs of the run.
    pub(super) fn input(&self) -> &BTreeMap<String, Value> {
        &self.input
    }

    /// The working directory of roles that name none.
    pub(super) fn workdir(&self) -> Option<&str> {
        self.workdir.as_deref()
    }

    /// The text of its messages and results, in bytes.
    pub(super) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// When it was started.
    pub(super) fn created_at(&self) -> Time {
        self.created_at
    }

    /// Whether its cancellation was requested.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.ended_at.is_some()
    }

    /// The step at this path.
    pub(super) fn step(&self, step: &str) -> Option<&StepState> {
        self.steps.get(step)
    }

    /// The running steps below this attempt.
    pub(super) fn open_below(&self, attempt: &str) -> Vec<(String, u32)> {
        let open =
            |step: &&String| path::is_below(step, attempt) && self.steps[*step].status == StepStatus::Running;
        self.order.iter().filter(open).map(|step| (step.clone(), self.steps[step].attempt)).collect()
    }

    /// The running steps.
    pub(super) fn open(&self) -> Vec<(String, u32)> {
        let open = |step: &&String| self.steps[*step].status == StepStatus::Running;
        self.order.iter().filter(open).map(|step| (step.clone(), self.steps[step].attempt)).collect()
    }

    /// Whether this attempt and every step around it is running.
    pub(super) fn is_active(&self, attempt: &str) -> bool {
        // Each `/` ends the path of an attempt around it.
        let ends = attempt.match_indices('/').map(|(at, _)| at).chain([attempt.len()]);
        ends.map(|end| &attempt[..end]).all(|around| {
            let (step, number) = match around.rsplit_once('#') {
                Some((step, number)) if !number.contains('/') => (step, number.parse().unwrap_or(1)),
                _ => (around, 1),
            };
            // `then` and `else` are parts of paths, but no steps.
            self.steps
                .get(step)
                .is_none_or(|state| state.attempt == number && state.status == StepStatus::Running)
        })
    }

    /// The result with this name.
    pub(super) fn result(&self, name: &str) -> Option<&Value> {
        self.results.get(name)
    }

    /// The role that a `select` step has chosen, and how often one of `among` was chosen before.
    pub(super) fn selection(&self, attempt: &str, among: &[String]) -> (Option<String>, usize) {
        let chosen = self.selected.iter().find(|(step, _)| step == attempt).map(|(_, role)| role.clone());
        (chosen, self.selected.iter().filter(|(_, role)| among.contains(role)).count())
    }

    /// The agents whose spawn has no outcome yet.
    pub(super) fn wanted(&self) -> Vec<(String, Wanted)> {
        self.wanted.iter().map(|(key, wanted)| (key.clone(), wanted.clone())).collect()
    }

    /// The agents that belong to this run now.
    pub(super) fn present(&self) -> impl Iterator<Item = &TeamMember> {
        self.members.values().filter(|member| member.present)
    }

    /// The agent that the workspace of the role was made for.
    pub(super) fn workspace_of(&self, role: &str) -> Option<AgentId> {
        self.workspaces.get(role).cloned()
    }

    /// The agent of the role that came last, one that is there before one that has left.
    pub(super) fn worker(&self, role: &str) -> Option<AgentId> {
        let of_role = self.joined.iter().rev().filter_map(|id| self.members.get(id));
        let of_role: Vec<&TeamMember> = of_role.filter(|member| member.role == role).collect();
        let there = of_role.iter().find(|member| member.present).or(of_role.first());
        there.map(|member| member.agent_id.clone())
    }

    /// The highest number of an agent of the role.
    pub(super) fn last_number(&self, role: &str) -> u32 {
        self.numbers.get(role).copied().unwrap_or_default()
    }

    /// Its messages and questions.
    pub(super) fn conversations(&self) -> &Conversations {
        &self.conversations
    }

    /// The notes that wait for a role.
    pub(super) fn notes(&self, role: &str) -> &[String] {
        self.notes.get(role).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether this note was left before.
    pub(super) fn has_note(&self, key: &str) -> bool {
        self.note_keys.contains(key)
    }
}

/// The bytes of text that an event adds to a run, as far as agents and files decide them.
fn text_in(data: &Data) -> usize {
    match data {
        Data::MessageSent { text, .. } | Data::MessageAnswered { text, .. } | Data::NoteLeft { text, .. } => {
            text.len()
        }
        Data::StepEnded { result: Some(result), .. } => text_size(result),
        Data::QuestionAsked { question } => {
            let tool = question.tool.as_ref().map_or(0, |tool| text_size(&tool.input));
            question.text.len() + tool + question.plan.as_ref().map_or(0, String::len)
        }
        Data::QuestionAnswered { answer, .. } => answer.text.as_ref().map_or(0, String::len),
        Data::ExecutionStarted { .. }
        | Data::ExecutionResumed { .. }
        | Data::CancelRequested {}
        | Data::BudgetRaised { .. }
        | Data::ExecutionEnding {}
        | Data::ExecutionEnded { .. }
        | Data::StepStarted { .. }
        | Data::StepEnded { .. }
        | Data::RoleSelected { .. }
        | Data::AgentWanted { .. }
        | Data::AgentRefused { .. }
        | Data::AgentJoined { .. }
        | Data::AgentLeft { .. }
        | Data::MessageFailed { .. }
        | Data::MessageAbandoned { .. }
        | Data::QuestionRouted { .. }
        | Data::QuestionDeclined { .. }
        | Data::QuestionDelivered { .. }
        | Data::QuestionWithdrawn { .. } => 0,
    }
}
