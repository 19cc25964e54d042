//! A run of a pattern.
//!
//! Everything that happens is an event in the [`Journal`], written before anything follows from it. The steps are plain code
//! that asks the ledger first: what was done is not done again, what was begun is gone on with under the same key. A run
//! that is taken up by another server is therefore the same code with a longer history.
//!
//! - `steps`: the tree of steps; `decide`: what each kind does
//! - `talk`: one message, until its answer is there; `escalate`: one question, until it is answered
//! - `routing`: where questions go, a pure function
//! - `team`, `pool`: spawning, and never more agents than there may be; `door`: those that come and leave
//! - `book`: ledger and journal; `clock`: time, which a simulation can turn

pub mod agents;
mod book;
mod clock;
mod decide;
mod door;
mod escalate;
mod failure;
mod ledger;
mod path;
mod pool;
mod prompt;
mod routing;
mod scope;
mod steps;
mod talk;
mod team;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parallax_api::execution::{
    Execution, ExecutionAnswer, ExecutionEvent, ExecutionEventData as Data, ExecutionStatus, Fault,
    QuestionAnswer, QuestionKind, USER,
};
use parallax_api::{Code, Problem, Time};
use serde_json::{Map, Value};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::pattern::{Output, Pattern};
use agents::Agents;
use book::Book;
pub use book::Journal;
use clock::Clock;
use door::{Coming, Door};
use failure::Failure;
pub use ledger::Ledger;
use pool::Pool;
pub use team::EXECUTION_LABEL;

/// Who answers when it is the pattern itself that says so.
const POLICY: &str = "policy";
/// How long a run may take when the file does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the agents of a run that ends may take to be gone. What is left then is for whoever looks after the place.
const STOPPING: Duration = Duration::from_secs(60);

/// A run. Clones are the same.
#[derive(Clone)]
pub struct Run(Arc<Inner>);

struct Inner {
    id: String,
    pattern: Pattern,
    agents: Arc<dyn Agents>,
    book: Book,
    pools: BTreeMap<String, Pool>,
    /// Whether it goes on from where another server left it.
    resumed: bool,
    coming_tx: UnboundedSender<Coming>,
    door: tokio::sync::Mutex<Door>,
}

/// What a run is made of.
pub struct Setup {
    /// Its id.
    pub id: String,
    /// What it runs.
    pub pattern: Pattern,
    /// Its agents.
    pub agents: Arc<dyn Agents>,
    /// Where its events are kept.
    pub journal: Arc<dyn Journal>,
    /// The events that are kept already: the first one, or all of a run that goes on.
    pub history: Vec<ExecutionEvent>,
    /// The time.
    pub now: Time,
}

impl Run {
    /// A run at the end of its history. Nothing happens before [`Run::execute`].
    pub fn new(setup: Setup) -> Self {
        let Setup { id, pattern, agents, journal, history, now } = setup;
        let ledger = Ledger::of(&id, &history);
        let (coming_tx, coming_rx) = unbounded_channel();
        let (leaving_tx, leaving_rx) = unbounded_channel();
        let pools: BTreeMap<String, Pool> = pattern
            .structure
            .roles
            .iter()
            .map(|(name, role)| {
                // One stays with what it knows; agents of others are kept for the whole run.
                let floor = if role.managed { role.min_instances.max(1) } else { role.most() };
                (name.clone(), Pool::new(role.most(), floor, ledger.last_number(name), leaving_tx.clone()))
            })
            .collect();
        let in_flight: Vec<(String, parallax_api::AgentId, String)> = ledger
            .talk()
            .in_flight()
            .map(|(key, message)| (key.clone(), message.agent.clone(), message.step.clone()))
            .collect();
        for member in ledger.present() {
            let message = in_flight.iter().find(|(_, agent, _)| *agent == member.agent_id);
            if let Some(pool) = pools.get(&member.role) {
                pool.take_up(member.clone(), message.map(|(key, ..)| key.clone()));
            }
        }
        // Those whose step is over were left to be interrupted.
        for pool in pools.values() {
            pool.abandon(|key| {
                let message = ledger.talk().message(key);
                message.is_some_and(|message| !ledger.is_at_work(&message.step))
            });
        }
        let resumed = history.len() > 1;
        let count = history.len() as u64;
        Self(Arc::new(Inner {
            id,
            pattern,
            agents,
            book: Book::new(ledger, count, Clock::at(now), journal),
            pools,
            resumed,
            coming_tx,
            door: tokio::sync::Mutex::new(Door { coming_rx, leaving_rx }),
        }))
    }

    /// Does the work, to the end. Whoever stops waiting stops the run where it is; another can go on from its history.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn execute(&self) -> Result<Execution, Problem> {
        let run = &self.0;
        let _closes = Closes(&run.book);
        tokio::select! {
            biased;
            problem = run.book.write() => Err(problem),
            ended = run.to_its_end() => match ended {
                Ok(()) => Ok(self.view()),
                Err(failure) => Err(Problem::internal(failure.fault.message)),
            },
        }
    }

    /// The run as it stands.
    pub fn view(&self) -> Execution {
        self.0.book.read(Ledger::execution)
    }

    /// Takes a person's answer. The same answer again is no error.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such question, `CONFLICT` when it wants no answer any more or it is not clear which one
    /// is meant, `VALIDATION_ERROR` when the answer is none.
    pub async fn answer(&self, answer: ExecutionAnswer) -> Result<Execution, Problem> {
        let book = &self.0.book;
        let ExecutionAnswer { question_id, option, text } = answer;
        let given = QuestionAnswer { option, text };
        let mut outcome = Ok(());
        let decide = |ledger: &Ledger| match accept(ledger, question_id.as_deref(), &given) {
            Ok(Some(id)) => Some(Data::QuestionAnswered { id, by: USER.into(), answer: given.clone() }),
            Ok(None) => None,
            Err(problem) => {
                outcome = Err(problem);
                None
            }
        };
        let recorded = book.record_if(decide).await;
        outcome?;
        recorded.map_err(|failure| Problem::new(Code::ShuttingDown, failure.fault.message))?;
        Ok(self.view())
    }

    /// Has the run end. Again, or at the end, it is no error.
    ///
    /// # Errors
    /// When the run is not at work any more.
    pub async fn cancel(&self) -> Result<Execution, Problem> {
        let new = |ledger: &Ledger| !ledger.is_cancelled() && !ledger.is_over();
        let recorded = self.0.book.record_if(|ledger| new(ledger).then_some(Data::CancelRequested {})).await;
        recorded.map_err(|failure| Problem::new(Code::ShuttingDown, failure.fault.message))?;
        Ok(self.view())
    }
}

/// Tells those who wait for the journal when nobody writes it any more.
struct Closes<'a>(&'a Book);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The question that an answer is for; none when it has that answer.
fn accept(ledger: &Ledger, id: Option<&str>, given: &QuestionAnswer) -> Result<Option<String>, Problem> {
    let open = || ledger.talk().questions().filter(|question| question.is_open());
    let question = match id {
        Some(id) => ledger.talk().question(id).ok_or_else(|| {
            Problem::new(Code::NotFound, format!("the run has no question `{id}`"))
                .with("field", "questionId")
        })?,
        None => {
            let for_user: Vec<_> = open().filter(|question| question.is_for_user()).collect();
            match *for_user.as_slice() {
                [one] => one,
                [] => return Err(Problem::new(Code::Conflict, "no question of this run waits for a person")),
                _ => {
                    let ids: Vec<&str> =
                        for_user.iter().map(|question| question.question.id.as_str()).collect();
                    let detail = "several questions wait for a person: say which with `questionId`";
                    return Err(Problem::new(Code::Conflict, detail).with("questions", ids));
                }
            }
        }
    };
    if !question.is_open() {
        let same = question.answer.as_ref().is_some_and(|(by, answer)| by == USER && answer == given);
        let detail = "the question wants no answer any more";
        return if same { Ok(None) } else { Err(Problem::new(Code::Conflict, detail)) };
    }
    let options = &question.question.options;
    let is_approval = question.question.kind == QuestionKind::Approval;
    match (&given.option, &given.text) {
        (Some(option), _) if options.iter().any(|known| known.id == *option) => {}
        (Some(option), _) => {
            let ids: Vec<&str> = options.iter().map(|known| known.id.as_str()).collect();
            let detail = format!("`{option}` is no option of this question; there is {}", ids.join(", "));
            return Err(Problem::invalid("option", detail));
        }
        (None, Some(text)) if !text.trim().is_empty() && !is_approval => {}
        (None, Some(_)) if is_approval => {
            return Err(Problem::invalid("option", "an approval is answered with `approve` or `reject`"));
        }
        (None, _) => return Err(Problem::invalid("text", "give an `option`, or `text`")),
    }
    Ok(Some(question.question.id.clone()))
}

impl Inner {
    async fn to_its_end(&self) -> Result<(), Failure> {
        if self.book.read(Ledger::is_over) {
            return Ok(());
        }
        if self.resumed {
            self.book.record(Data::ExecutionResumed {}).await?;
        }
        let mut door = self.door.lock().await;
        let outcome = {
            let deadline = self.book.clock().after(self.book.read(Ledger::created_at), self.limit());
            let cancelled = self.book.find(|ledger| ledger.is_cancelled().then_some(()));
            tokio::select! {
                biased;
                () = cancelled => Err(None),
                outcome = self.work() => outcome.map_err(Some),
                // Nobody waits for the end of this: it goes on as long as the others.
                never = door::keep(self, &mut door) => match never? {},
                () = tokio::time::sleep_until(deadline) => {
                    let message = format!("the run took longer than {} ms", self.limit().as_millis());
                    Err(Some(Failure::lasting(Code::Timeout.as_str(), message)))
                }
            }
        };
        let ended = match outcome {
            Ok(output) => {
                Data::ExecutionEnded { status: ExecutionStatus::Completed, output: Some(output), error: None }
            }
            Err(None) => {
                let error = Some(Fault::new("CANCELLED", "the run was cancelled"));
                Data::ExecutionEnded { status: ExecutionStatus::Cancelled, output: None, error }
            }
            Err(Some(failure)) if failure.next == failure::Next::Halt => return Err(failure),
            Err(Some(failure)) => {
                let error = Some(failure.fault);
                Data::ExecutionEnded { status: ExecutionStatus::Failed, output: None, error }
            }
        };
        self.dismiss().await?;
        self.book.record(ended).await
    }

    fn limit(&self) -> Duration {
        self.pattern.workflow.timeout_ms.map_or(DEFAULT_TIMEOUT, Duration::from_millis)
    }

    async fn work(&self) -> Result<Value, Failure> {
        self.expected_agents().await;
        self.first_agents().await?;
        let last = self.sequence(&self.pattern.workflow.steps, |index| index.to_string()).await?;
        match &self.pattern.workflow.output {
            None => Ok(last),
            Some(Output::One(text)) => self.value(text),
            Some(Output::Several(texts)) => {
                let values = texts.iter().map(|(name, text)| Ok((name.clone(), self.value(text)?)));
                Ok(Value::Object(values.collect::<Result<Map<_, _>, Failure>>()?))
            }
        }
    }

    /// Ends what is at work, and stops the agents.
    async fn dismiss(&self) -> Result<(), Failure> {
        self.book.record(Data::ExecutionEnding {}).await?;
        for (step, attempt) in self.book.read(Ledger::open) {
            let status = parallax_api::execution::StepStatus::Cancelled;
            let ended = Data::StepEnded { step, attempt, status, result: None, error: None, again: false };
            self.book.record(ended).await?;
        }
        self.withdraw_all().await?;
        let stopping = self.patiently(|| self.agents.stop_all());
        let gone = tokio::time::timeout(STOPPING, stopping).await;
        let reason = match gone {
            Ok(Ok(())) => "the run is over".to_owned(),
            Ok(Err(problem)) => format!("it could not be stopped: {}", problem.detail),
            Err(_) => "it could not be stopped in time".to_owned(),
        };
        let present: Vec<_> = self.book.read(|ledger| ledger.present().cloned().collect());
        for member in present {
            let reason = if member.managed { reason.clone() } else { "the run is over".into() };
            self.book
                .record(Data::AgentLeft { agent_id: member.agent_id, role: member.role, reason })
                .await?;
        }
        Ok(())
    }
}
