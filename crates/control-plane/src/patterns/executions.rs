//! The runs: started, taken up again, shown.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parallax_api::execution::{
    Execution, ExecutionEventData, ExecutionStatus, ExecutionSummary, ExecutionsQuery,
};
use parallax_api::pattern::ExecuteRequest;
use parallax_api::{Code, Problem, Time};
use parallax_patterns::check;
use parallax_patterns::run::{Run, RunEvent, RunParams, RunState};
use parallax_service::store::Store;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tracing::Instrument;

use super::agents::RunAgents;
use super::journal::{self, StoredJournal};
use super::library::File;
use crate::app::App;

/// Runs at work at once; more are refused with `RESOURCE_LIMIT`.
const MAX_RUNNING: usize = 64;
/// Runs that have ended and are kept; the oldest are forgotten first.
const KEEP_ENDED: i64 = 500;
/// Runs listed unless told, and at most.
const DEFAULT_LISTED: usize = 100;
const MAX_LISTED: usize = 1000;
/// Those who may follow runs over sockets at once.
const MAX_FOLLOWERS: usize = 512;

/// The runs. Clones are the same.
#[derive(Clone, Debug)]
pub struct Executions {
    store: Store,
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

impl Executions {
    /// The runs in `store`. None is at work before [`Executions::resume`].
    pub fn new(store: Store) -> Self {
        Self { store, running: Arc::default(), followers: Arc::new(Semaphore::new(MAX_FOLLOWERS)) }
    }

    /// Starts a run of the pattern in this file under this id; with an id that is there, nothing happens.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when the input is not what the pattern wants, `RESOURCE_LIMIT` when too many are at work.
    pub async fn start(
        &self,
        app: &App,
        id: &str,
        file: File,
        request: ExecuteRequest,
    ) -> Result<(), Problem> {
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
        let (this, app, id) = (self.clone(), app.clone(), id.to_owned());
        // A task of its own: whoever hangs up in between must not leave a run that nobody works at.
        let starting = async move {
            let started = this.write_down(&id, &file, input, workdir).await?;
            if let Some(started) = started {
                this.set_to_work(&app, &id, file, vec![started]);
            }
            Ok(())
        };
        tokio::spawn(starting.in_current_span()).await.map_err(Problem::internal)?
    }

    /// Writes down a new run with its first event; none when it is there.
    async fn write_down(
        &self,
        id: &str,
        file: &File,
        input: BTreeMap<String, Value>,
        workdir: Option<String>,
    ) -> Result<Option<RunEvent>, Problem> {
        let name = file.pattern.name.clone();
        let data = ExecutionEventData::ExecutionStarted { pattern: name.clone(), input, workdir };
        let started = RunEvent { seq: 1, data, timestamp: Time::now() };
        let (id, source, event) = (id.to_owned(), file.source.clone(), started.clone());
        let write = move |db: &Connection| {
            let row = params![id, name, source, "running", event.timestamp.as_millis()];
            let new = db.execute("INSERT OR IGNORE INTO executions VALUES (?, ?, ?, ?, ?, NULL)", row)? == 1;
            if new {
                journal::insert(db, &id, &event)?;
                forget_oldest(db)?;
            }
            Ok(new)
        };
        Ok(self.store.with(write).await?.then_some(started))
    }

    /// Takes up the runs that were at work when the server before this one ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resume(&self, app: &App) -> Result<(), Problem> {
        let select = |db: &Connection| -> rusqlite::Result<Vec<(String, String)>> {
            let mut select = db.prepare("SELECT id, source FROM executions WHERE status = 'running'")?;
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        for (id, source) in self.store.with(select).await? {
            match (File::read(source), journal::all(&self.store, &id).await) {
                (Ok(file), Ok(history)) => self.set_to_work(app, &id, file, history),
                (Err(problem), _) => tracing::error!(execution.id = id, %problem, "a run cannot be taken up"),
                (_, Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(execution.id = id, error, "the events of a run cannot be read");
                }
            }
        }
        Ok(())
    }

    fn set_to_work(&self, app: &App, id: &str, file: File, history: Vec<RunEvent>) {
        let (head_tx, head) = watch::channel(history.last().map(|event| event.seq).unwrap_or_default());
        let (over_tx, over) = watch::channel(false);
        let journal = StoredJournal { store: self.store.clone(), execution: id.to_owned(), head_tx };
        let run = Run::new(RunParams {
            id: id.to_owned(),
            pattern: file.pattern,
            agents: Arc::new(RunAgents::new(app.clone(), id)),
            journal: Arc::new(journal),
            history,
            now: Time::now(),
        });
        self.running().insert(id.to_owned(), Running { run: run.clone(), head, over });
        let (this, id, shutdown) = (self.clone(), id.to_owned(), app.shutdown.clone());
        let span = tracing::info_span!("execution", execution.id = id);
        let work = async move {
            tokio::select! {
                ended = run.execute() => match ended {
                    Ok(execution) => tracing::info!(
                        status = journal::word(execution.status),
                        duration_ms = execution.metrics.duration_ms,
                        engine_ms = execution.metrics.engine_ms,
                        "the run has ended"
                    ),
                    Err(problem) => tracing::error!(%problem, "the run stands still until the server is started again"),
                },
                // The next server takes it up where it is.
                () = shutdown.begun() => {}
            }
            this.running().remove(&id);
            // Whoever waits looks at what is stored.
            over_tx.send_replace(true);
        };
        app.shutdown.tracker().spawn(work.instrument(span));
    }

    /// A run that is at work.
    fn at_work(&self, id: &str) -> Option<Running> {
        self.running().get(id).cloned()
    }

    /// Whether the run is at work here.
    pub fn is_at_work(&self, id: &str) -> bool {
        self.running().contains_key(id)
    }

    /// A run as it stands.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none of that id.
    pub async fn get(&self, id: &str) -> Result<Execution, Problem> {
        if let Some(running) = self.at_work(id) {
            return Ok(running.run.view());
        }
        let history = journal::all(&self.store, id).await?;
        if history.is_empty() {
            return Err(none(id));
        }
        Ok(RunState::replay(id, &history).execution())
    }

    /// The same when it has ended.
    ///
    /// # Errors
    /// As [`Executions::get`].
    pub async fn ended(&self, id: &str) -> Result<Execution, Problem> {
        let over = self.running().get(id).map(|running| running.over.clone());
        if let Some(mut over) = over {
            // Gone without a word: the run's task was dropped with the server.
            let _ = over.wait_for(|over| *over).await;
        }
        self.get(id).await
    }

    /// The run, to answer or to cancel it.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none of that id, `CONFLICT` when it has ended.
    pub async fn live(&self, id: &str) -> Result<Run, Problem> {
        if let Some(running) = self.at_work(id) {
            return Ok(running.run);
        }
        let execution = self.get(id).await?;
        let detail = format!("the run is not at work: it is {}", journal::word(execution.status));
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
        let (status, pattern) = (query.status.map(journal::word), query.pattern.clone());
        let select = move |db: &Connection| -> rusqlite::Result<Vec<ExecutionSummary>> {
            let mut select = db.prepare_cached(
                "SELECT id, pattern, status, created_at, ended_at FROM executions
                 WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR pattern = ?2)
                 ORDER BY created_at DESC, id DESC LIMIT ?3",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            select.query_map(params![status, pattern, limit], summary)?.collect()
        };
        let mut list = self.store.with(select).await?;
        for one in &mut list {
            let view = self.at_work(&one.id).map(|running| running.run.view());
            one.questions =
                view.map_or(0, |view| view.questions.iter().filter(|question| question.for_user).count());
        }
        Ok(list)
    }

    /// How the runs with these ids stand, as far as they are known here.
    pub async fn statuses(&self, ids: Vec<String>) -> Result<BTreeMap<String, String>, Problem> {
        let select = move |db: &Connection| {
            let mut known = BTreeMap::new();
            let mut select = db.prepare_cached("SELECT status FROM executions WHERE id = ?")?;
            for id in ids {
                let status: Option<String> = select.query_row([&id], |row| row.get(0)).optional()?;
                known.extend(status.map(|status| (id, status)));
            }
            Ok(known)
        };
        Ok(self.store.with(select).await?)
    }

    /// The events of a run after `after`; when there are none, waits for one. None when no more will come.
    pub(super) async fn next_events(&self, id: &str, after: u64) -> Option<Vec<RunEvent>> {
        loop {
            // Before the look: what happens after it is seen by waiting. Not the run itself, which would live on with it.
            let head = self.running().get(id).map(|running| running.head.clone());
            let page = journal::page(&self.store, id, after).await.ok()?;
            if !page.is_empty() {
                return Some(page);
            }
            // The journal is gone with the run: one more look, and that is all.
            let _ = head?.wait_for(|head| *head > after).await;
        }
    }

    /// Room for one who follows.
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

fn none(id: &str) -> Problem {
    let shown: String = id.chars().take(80).collect();
    Problem::new(
        Code::NotFound,
        format!("no run has the id {shown}; `GET /api/executions` lists those there are"),
    )
}

fn summary(row: &rusqlite::Row<'_>) -> rusqlite::Result<ExecutionSummary> {
    let status = match row.get::<_, String>(2)?.as_str() {
        "completed" => ExecutionStatus::Completed,
        "failed" => ExecutionStatus::Failed,
        "cancelled" => ExecutionStatus::Cancelled,
        _ => ExecutionStatus::Running,
    };
    Ok(ExecutionSummary {
        id: row.get(0)?,
        pattern: row.get(1)?,
        status,
        created_at: Time::from_millis(row.get(3)?),
        ended_at: row.get::<_, Option<i64>>(4)?.map(Time::from_millis),
        questions: 0,
    })
}

fn forget_oldest(db: &Connection) -> rusqlite::Result<()> {
    let old = "SELECT id FROM executions WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT -1 OFFSET ?";
    db.execute(&format!("DELETE FROM execution_events WHERE execution IN ({old})"), [KEEP_ENDED])?;
    db.execute(&format!("DELETE FROM executions WHERE id IN ({old})"), [KEEP_ENDED])?;
    Ok(())
}
