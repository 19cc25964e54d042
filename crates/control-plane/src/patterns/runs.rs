//! The runs: started, resumed, shown.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parallax_api::execution::{
    Execution, ExecutionEventData, ExecutionStatus, ExecutionSummary, ExecutionsQuery,
};
use parallax_api::pattern::{Chart, ExecuteRequest};
use parallax_api::{Code, Problem, Time};
use parallax_patterns::check;
use parallax_patterns::run::{Run, RunEvent, RunParams, RunState};
use parallax_service::events::EventLog;
use parallax_service::idempotency::Idempotency;
use parallax_service::shutdown::Shutdown;
use parallax_store::{NewRun, PreviousServer, RunFilter, RunRow, RunStore, SourceRow, StorageHealth};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tracing::Instrument;

use super::journal::{self, StoredJournal};
use super::library::{self, File};
use super::run_agents::RunAgents;
use crate::locate::AgentLocator;
use crate::spawn::Spawner;

/// Active runs; more are refused with `RESOURCE_LIMIT`.
const MAX_RUNNING: usize = 64;
/// Ended runs that are kept; the oldest are deleted first.
const KEEP_ENDED: usize = 500;
/// Runs in a list by default, and at most.
const DEFAULT_LISTED: usize = 100;
const MAX_LISTED: usize = 1000;
/// Followers of runs over sockets.
const MAX_FOLLOWERS: usize = 512;

/// What runs need of the server.
#[derive(Clone, Debug)]
pub struct RunServices {
    /// Finds their agents.
    pub locator: AgentLocator,
    /// Spawns their agents.
    pub spawner: Spawner,
    /// Makes their spawns safe to repeat.
    pub idempotency: Idempotency,
    /// Wakes them when something happened to an agent.
    pub log: EventLog,
    /// Ends them with the server; the next server resumes them.
    pub shutdown: Shutdown,
}

/// The runs. Clones share them.
#[derive(Clone, Debug)]
pub struct Runs {
    services: RunServices,
    store: Arc<dyn RunStore>,
    storage: StorageHealth,
    running: Arc<Mutex<HashMap<String, Running>>>,
    followers: Arc<Semaphore>,
}

#[derive(Clone)]
struct Running {
    run: Run,
    head: watch::Receiver<u64>,
    over: watch::Receiver<bool>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("head", &*self.head.borrow()).finish_non_exhaustive()
    }
}

impl Runs {
    /// The runs in `store`. None is active before [`Runs::resume`].
    pub fn new(store: Arc<dyn RunStore>, storage: StorageHealth, services: RunServices) -> Self {
        let followers = Arc::new(Semaphore::new(MAX_FOLLOWERS));
        Self { services, store, storage, running: Arc::default(), followers }
    }

    /// What runs need of the server.
    pub fn services(&self) -> &RunServices {
        &self.services
    }

    /// Starts a run of the pattern in this file under this id; does nothing when the id is taken.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when the input is not what the pattern wants, `RESOURCE_LIMIT` when too many are active.
    pub async fn start(&self, id: &str, file: File, request: ExecuteRequest) -> Result<(), Problem> {
        let ExecuteRequest { input, workdir } = request;
        let input = check::given_inputs(&file.pattern, &input)
            .map_err(|(name, why)| Problem::invalid(&format!("input.{name}"), why))?;
        if self.running().contains_key(id) {
            return Ok(());
        }
        if self.running().len() >= MAX_RUNNING {
            let detail = format!("{MAX_RUNNING} runs are at work already; wait for one, or cancel one");
            return Err(Problem::new(Code::ResourceLimit, detail));
        }
        let (this, id) = (self.clone(), id.to_owned());
        // A task of its own: a caller that hangs up in between must not leave a stored run without a task.
        let starting = async move {
            let started = this.persist(&id, &file, input, workdir).await?;
            if let Some(started) = started {
                this.spawn_run(&id, file, vec![started], false);
            }
            Ok(())
        };
        tokio::spawn(starting.in_current_span()).await.map_err(Problem::internal)?
    }

    /// Stores a new run with its first event; none when the id is taken.
    async fn persist(
        &self,
        id: &str,
        file: &File,
        input: BTreeMap<String, Value>,
        workdir: Option<String>,
    ) -> Result<Option<RunEvent>, Problem> {
        let name = file.pattern.name.clone();
        let data = ExecutionEventData::ExecutionStarted { pattern: name.clone(), input, workdir };
        let started = RunEvent { seq: 1, data, timestamp: Time::now() };
        let run = NewRun {
            id: id.to_owned(),
            pattern: name,
            source: file.source.clone(),
            started: journal::into_row(started.clone()),
        };
        Ok(self.store.create(run, KEEP_ENDED).await?.then_some(started))
    }

    /// Resumes the runs that were active when the server before this one ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resume(&self) -> Result<(), Problem> {
        for SourceRow { id, source } in self.store.unfinished().await? {
            let previous = self.store.acquire(&id).await.unwrap_or_else(|error| {
                // A full disk, perhaps: the run waits for it in its journal.
                let error = &error as &dyn std::error::Error;
                tracing::warn!(execution.id = id, error, "a run could not be marked as taken");
                PreviousServer::Stopped
            });
            if previous == PreviousServer::DiesLoading {
                self.give_up(&id, "every server dies while it loads it").await;
                continue;
            }
            let crashed = previous == PreviousServer::Died;
            match (File::read(source).await, journal::all(&*self.store, &id).await) {
                (Ok(file), Ok(history)) if journal::is_whole(&history) => {
                    self.spawn_run(&id, file, history, crashed);
                }
                (Ok(_), Ok(_)) => self.give_up(&id, "some of its events are missing").await,
                (Err(problem), _) => tracing::error!(execution.id = id, %problem, "a run cannot be resumed"),
                (_, Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(execution.id = id, error, "the events of a run cannot be read");
                }
            }
        }
        Ok(())
    }

    /// Fails a run that cannot be loaded: what it did is not known, so it must not go on.
    async fn give_up(&self, id: &str, why: &str) {
        self.storage.report_damage(format!("the run {id} was ended as failed: {why}"));
        if let Err(error) = self.store.give_up(id, Time::now()).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(execution.id = id, error, "a damaged run cannot be ended");
        }
    }

    fn spawn_run(&self, id: &str, file: File, history: Vec<RunEvent>, crashed: bool) {
        let (head_tx, head) = watch::channel(history.last().map(|event| event.seq).unwrap_or_default());
        let (over_tx, over) = watch::channel(false);
        let journal = StoredJournal {
            store: self.store.clone(),
            storage: self.storage.clone(),
            run_id: id.to_owned(),
            head_tx,
        };
        let run = Run::new(RunParams {
            id: id.to_owned(),
            pattern: file.pattern,
            agents: Arc::new(RunAgents::new(self.services.clone(), id)),
            journal: Arc::new(journal),
            history,
            crashed,
            now: Time::now(),
        });
        self.running().insert(id.to_owned(), Running { run: run.clone(), head, over });
        let (this, id, shutdown) = (self.clone(), id.to_owned(), self.services.shutdown.clone());
        let span = tracing::info_span!("execution", execution.id = id);
        let work = async move {
            tokio::select! {
                ended = run.execute() => match ended {
                    Ok(execution) => tracing::info!(
                        status = execution.status.as_str(),
                        duration_ms = execution.metrics.duration_ms,
                        engine_ms = execution.metrics.engine_ms,
                        "the run has ended"
                    ),
                    Err(problem) => tracing::error!(%problem, "the run stands still until the server is started again"),
                },
                // The next server resumes it.
                () = shutdown.begun() => {}
            }
            // The next server knows that this one did not die of it.
            if let Err(error) = this.store.release(&id).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the run could not be given back");
            }
            this.running().remove(&id);
            // Waiters read the stored state.
            over_tx.send_replace(true);
        };
        self.services.shutdown.tracker().spawn(work.instrument(span));
    }

    /// The active run with this id.
    fn active(&self, id: &str) -> Option<Running> {
        self.running().get(id).cloned()
    }

    /// Whether any run is active here.
    pub fn any_active(&self) -> bool {
        !self.running().is_empty()
    }

    /// The questions of active runs that wait for a person: the question, and the agent's own when it is that.
    pub fn questions_for_user(&self) -> Vec<(String, Option<String>)> {
        let active: Vec<(String, Run)> =
            self.running().iter().map(|(id, running)| (id.clone(), running.run.clone())).collect();
        let questions = active.into_iter().flat_map(|(id, run)| {
            let open = run.view().questions.into_iter().filter(|question| question.for_user);
            open.map(move |question| {
                (format!("{id}/{}", question.question.id), question.question.attention_id)
            })
        });
        questions.collect()
    }

    /// Whether the run is active here.
    pub fn is_active(&self, id: &str) -> bool {
        self.running().contains_key(id)
    }

    /// A run as it stands.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none of that id.
    pub async fn get(&self, id: &str) -> Result<Execution, Problem> {
        if let Some(running) = self.active(id) {
            return Ok(running.run.view());
        }
        let history = journal::all(&*self.store, id).await?;
        let mut statuses = self.store.statuses(vec![id.to_owned()]).await?;
        if history.is_empty() && statuses.is_empty() {
            return Err(not_found(id));
        }
        let mut execution = RunState::replay(id, &history).execution();
        // A run that was given up has no last event that says so.
        if let Some(ExecutionStatus::Failed) = statuses.remove(id) {
            execution.status = ExecutionStatus::Failed;
        }
        Ok(execution)
    }

    /// The org chart of a run: of the file that it began with.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none of that id.
    pub async fn chart(&self, id: &str) -> Result<Chart, Problem> {
        let source = self.store.source(id).await?.ok_or_else(|| not_found(id))?;
        Ok(library::chart(&File::read(source).await?.pattern))
    }

    /// The same when it has ended.
    ///
    /// # Errors
    /// As [`Runs::get`].
    pub async fn ended(&self, id: &str) -> Result<Execution, Problem> {
        let over = self.running().get(id).map(|running| running.over.clone());
        if let Some(mut over) = over {
            // An error: the run's task was dropped with the server.
            let _ = over.wait_for(|over| *over).await;
        }
        self.get(id).await
    }

    /// The run, to answer or to cancel it.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none of that id, `CONFLICT` when it has ended.
    pub async fn live(&self, id: &str) -> Result<Run, Problem> {
        if let Some(running) = self.active(id) {
            return Ok(running.run);
        }
        let execution = self.get(id).await?;
        let detail = format!("the run is not at work: it is {}", execution.status.as_str());
        Err(Problem::new(Code::Conflict, detail))
    }

    /// Runs, the newest first.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a limit that is none.
    pub async fn list(&self, query: &ExecutionsQuery) -> Result<Vec<ExecutionSummary>, Problem> {
        let limit = query.limit.unwrap_or(DEFAULT_LISTED);
        if !(1..=MAX_LISTED).contains(&limit) {
            return Err(Problem::invalid("limit", format!("1 to {MAX_LISTED} runs")));
        }
        let filter = RunFilter { status: query.status, pattern: query.pattern.clone(), limit };
        let list = self.store.list(filter).await?.into_iter().map(|row| {
            let view = self.active(&row.id).map(|running| running.run.view());
            let questions = view
                .as_ref()
                .map_or(0, |view| view.questions.iter().filter(|question| question.for_user).count());
            let budget = view.and_then(|view| view.budget);
            let RunRow { id, pattern, status, created_at, ended_at } = row;
            ExecutionSummary { id, pattern, status, created_at, ended_at, questions, budget }
        });
        Ok(list.collect())
    }

    /// The statuses of the runs with these ids that are stored here.
    pub async fn statuses(&self, ids: Vec<String>) -> Result<BTreeMap<String, ExecutionStatus>, Problem> {
        Ok(self.store.statuses(ids).await?)
    }

    /// The events of a run after `after`; when there are none, waits for one. None when no more will come.
    pub(super) async fn next_events(&self, id: &str, after: u64) -> Option<Vec<RunEvent>> {
        loop {
            // Taken before the read: an event that is appended after it ends the wait. Only the channel, so that the run
            // itself can be dropped meanwhile.
            let head = self.running().get(id).map(|running| running.head.clone());
            let page = journal::page(&*self.store, id, after).await.ok()?;
            if !page.is_empty() {
                return Some(page);
            }
            // The journal was dropped with the run: read once more, then end.
            let _ = head?.wait_for(|head| *head > after).await;
        }
    }

    /// A permit for one follower.
    pub(super) fn follower(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
        self.followers
            .clone()
            .try_acquire_owned()
            .map_err(|_| Problem::new(Code::ResourceLimit, format!("{MAX_FOLLOWERS} follow runs already")))
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found(id: &str) -> Problem {
    let shown: String = id.chars().take(80).collect();
    Problem::new(
        Code::NotFound,
        format!("no run has the id {shown}; `GET /api/executions` lists those there are"),
    )
}
