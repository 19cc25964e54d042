//! Agents that are made up, on virtual time. What must never happen is complained about.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use parallax_api::message::AnswerRequest;
use parallax_api::workspace::{DiffQuery, MergeRequest, Merged};
use parallax_api::{
    Agent, AgentId, AgentStatus, Attention, AttentionKind, AttentionOption, Code, Problem, SpawnRequest, Time,
};
use parallax_patterns::run::agent_client::{AgentClient, MessageProgress};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;

/// No run takes longer, whatever its file says: it would hang.
pub const FOR_EVER: Duration = Duration::from_secs(40 * 24 * 60 * 60);

/// The option of a plan's dialog that lets the agent begin.
pub const APPROVES_PLAN: &str = "approve-it";

/// A random number generator (SplitMix64).
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub fn pick(&mut self, count: usize) -> usize {
        self.below(count as u64) as usize
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What goes wrong.
#[derive(Clone, Copy)]
pub struct Faults {
    /// Of a hundred calls and turns so many.
    pub often: u64,
    /// How often the server dies.
    pub crashes: u32,
}

/// What there is.
#[derive(Default)]
pub struct World {
    agents: BTreeMap<AgentId, SimAgent>,
    by_key: HashMap<String, AgentId>,
    messages: HashMap<String, SimMessage>,
    pub most: HashMap<String, u32>,
    /// Calls that were made before with the same key: what came of them stays.
    counts: HashMap<String, u64>,
    pub complaints: Vec<String>,
}

struct SimAgent {
    agent: Agent,
    /// When it ends, once somebody has it stop: whether or not that one waits for it.
    ends_at: Option<Instant>,
    free_at: Instant,
    at_work: Option<String>,
}

impl SimAgent {
    fn new(agent: Agent) -> Self {
        Self { agent, ends_at: None, free_at: Instant::now(), at_work: None }
    }

    fn is_alive(&self) -> bool {
        self.ends_at.is_none_or(|ends_at| Instant::now() < ends_at)
    }

    /// Has it end. It takes nothing more until then.
    fn stop(&mut self, ends_at: Instant) -> Instant {
        *self.ends_at.get_or_insert(ends_at)
    }

    /// Fails when it has ended, or is about to.
    fn takes_requests(&self) -> Result<(), Problem> {
        match self.ends_at {
            None => Ok(()),
            Some(_) => Err(Problem::new(Code::AgentStopped, "it has ended")),
        }
    }
}

struct SimMessage {
    agent: AgentId,
    text: String,
    dialog: Option<Dialog>,
    done_at: Option<Instant>,
    outcome: Result<String, Problem>,
    dropped: bool,
}

struct Dialog {
    attention: Attention,
    from: Instant,
    /// How many more answers it takes: a list in which several are ticked stays.
    wants: u32,
    /// When it goes by itself.
    until: Option<Instant>,
}

impl Dialog {
    fn is_open(&self) -> bool {
        self.wants > 0 && self.until.is_none_or(|until| Instant::now() < until)
    }
}

impl World {
    /// Managed agents that live.
    pub fn alive(&self) -> Vec<AgentId> {
        let managed = self.agents.iter().filter(|(_, sim)| sim.is_alive() && !sim.agent.labels.is_empty());
        managed.map(|(id, _)| id.clone()).collect()
    }

    /// An agent that nobody here has spawned.
    pub fn add_outside(&mut self, number: u64) {
        let outside = agent(&format!("outside-{number}"), vec!["outside".into()], BTreeMap::new());
        self.agents.insert(outside.id.clone(), SimAgent::new(outside));
    }

    fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }
}

/// The world as the engine sees it.
pub struct Sim {
    world: Mutex<World>,
    seed: u64,
    faults: Faults,
    /// The sooner the rarer agents ask.
    asking: u64,
    /// Some agent is to stop.
    stopping: Notify,
}

impl Sim {
    pub fn new(world: World, seed: u64, faults: Faults, asking: u64) -> Self {
        Self { world: Mutex::new(world), seed, faults, asking, stopping: Notify::new() }
    }

    /// Waits until some agent is to stop.
    pub async fn stopping(&self) {
        self.stopping.notified().await;
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// A number that depends on nothing but the seed and these words.
    fn dice(&self, words: &impl Hash) -> Rng {
        let mut hasher = DefaultHasher::new();
        (self.seed, words).hash(&mut hasher);
        Rng::new(hasher.finish())
    }

    /// A number that is another one each time.
    fn roll(&self, what: &str) -> Rng {
        let count = {
            let mut world = self.world();
            let count = world.counts.entry(what.to_owned()).or_default();
            *count += 1;
            *count
        };
        self.dice(&(what, count))
    }

    /// A call takes its time, and now and then nobody knows what came of it: true when it did not get through.
    async fn call(&self, what: &str) -> Result<bool, Problem> {
        let mut dice = self.roll(what);
        tokio::time::sleep(Duration::from_millis(dice.below(20))).await;
        if !dice.chance(self.faults.often) {
            return Ok(false);
        }
        let away = Problem::new(Code::RuntimeUnavailable, "the connection broke");
        if dice.chance(50) { Err(away) } else { Ok(true) }
    }

    fn after<T>(&self, lost: bool, value: T) -> Result<T, Problem> {
        if lost { Err(Problem::new(Code::RuntimeUnavailable, "the answer was lost")) } else { Ok(value) }
    }

    fn turn_of(&self, key: &str, text: &str) -> SimMessage {
        let mut dice = self.dice(&("turn", key));
        let often = self.faults.often;
        let outcome = if dice.chance(often) {
            let code = [Code::AgentFailed, Code::AgentStopped][dice.pick(2)];
            Err(Problem::new(code, "it broke"))
        } else {
            Ok(crate::scripted::answer(&mut dice, text, self.asking))
        };
        SimMessage {
            agent: AgentId::generate(),
            text: text.to_owned(),
            dialog: None,
            done_at: None,
            outcome,
            dropped: false,
        }
    }
}

#[async_trait]
impl AgentClient for Sim {
    async fn spawn(&self, key: &str, request: &SpawnRequest) -> Result<Agent, Problem> {
        let lost = self.call(&format!("spawn {key}")).await?;
        let mut dice = self.dice(&("spawned", key));
        tokio::time::sleep(Duration::from_millis(dice.below(3000))).await;
        if request.r#type == "missing" {
            return Err(Problem::new(Code::CliNotFound, "install it"));
        }
        let mut world = self.world();
        if let Some(known) = world.by_key.get(key) {
            let agent = world.agents[known].agent.clone();
            drop(world);
            return self.after(lost, agent);
        }
        if dice.chance(self.faults.often / 2) {
            return Err(Problem::new(Code::SpawnFailed, "no luck"));
        }
        let agent = agent(&request.name, request.capabilities.clone(), request.labels.clone());
        let role = request.role.clone().unwrap_or_default();
        let is_kin = |sim: &&SimAgent| sim.is_alive() && sim.agent.role.as_deref() == Some(&role);
        let there = world.agents.values().filter(is_kin).count() as u32;
        if there >= world.most[&role] {
            let most = world.most[&role];
            world.complain(format!("{role} may have {most} agents, and {there} live when {key} comes"));
        }
        let has_kin = there > 0;
        if let Some(asked) = &request.workspace {
            let reused =
                asked.reuse.as_ref().map(|id| world.agents.get(id).and_then(|sim| sim.agent.role.clone()));
            let is_odd = match reused {
                Some(of) => of.as_ref() != Some(&role) || !asked.repo.is_empty(),
                // Beside the one that the role shares.
                None => has_kin || asked.repo != "/r",
            };
            if is_odd {
                world.complain(format!("{key} is to work in {asked:?}"));
            }
            // Each fifth one went with its last agent.
            if asked.reuse.is_some() && !has_kin && dice.chance(20) {
                return Err(Problem::new(Code::NotFound, "there is no such workspace"));
            }
        }
        let agent = Agent { role: Some(role), ..agent };
        world.by_key.insert(key.to_owned(), agent.id.clone());
        world.agents.insert(agent.id.clone(), SimAgent::new(agent.clone()));
        drop(world);
        self.after(lost, agent)
    }

    async fn running(&self) -> Vec<Agent> {
        self.world().agents.values().filter(|sim| sim.is_alive()).map(|sim| sim.agent.clone()).collect()
    }

    async fn send(&self, key: &str, agent: &AgentId, text: &str) -> Result<String, Problem> {
        let lost = self.call(&format!("send {key}")).await?;
        let mut message = self.turn_of(key, text);
        let mut dice = self.dice(&("send", key));
        let mut world = self.world();
        if let Some(known) = world.messages.get(key) {
            if known.text != text || known.agent != *agent {
                world.complain(format!("{key} is sent again with something else, or to somebody else"));
            }
            drop(world);
            return self.after(lost, key.to_owned());
        }
        let Some(sim) = world.agents.get_mut(agent) else { return Err(Problem::no_agent(agent)) };
        sim.takes_requests()?;
        if let Some(other) = sim.at_work.clone().filter(|_| !sim.agent.labels.is_empty()) {
            world.complain(format!("{key} goes to an agent that works on {other}"));
            return Err(Problem::new(Code::AgentBusy, "it works on another"));
        }
        message.agent = agent.clone();
        sim.at_work = Some(key.to_owned());
        let begins = sim.free_at.max(Instant::now());
        let takes = Duration::from_millis(dice.below(60_000));
        let hangs = dice.chance(self.faults.often / 3);
        let done_at = begins + if hangs { FOR_EVER } else { takes };
        if dice.chance(self.asking) {
            message.dialog = Some(dialog(&mut dice, key, begins + takes / 2));
        }
        message.done_at = Some(done_at);
        sim.free_at = done_at;
        world.messages.insert(key.to_owned(), message);
        drop(world);
        self.after(lost, key.to_owned())
    }

    async fn waiting(&self, agent: &AgentId, text: &str, _: Time) -> Result<Option<String>, Problem> {
        let lost = self.call(&format!("waiting {agent}")).await?;
        let waiting = {
            let world = self.world();
            let is_there = world.agents.get(agent).is_some_and(SimAgent::is_alive);
            let is_it = |message: &SimMessage| {
                let is_done = message.dropped || message.done_at.is_some_and(|at| at <= Instant::now());
                is_there && !is_done && message.agent == *agent && message.text == text
            };
            let found = world.messages.iter().find(|(_, message)| is_it(message));
            found.map(|(key, _)| key.clone())
        };
        self.after(lost, waiting)
    }

    async fn withdraw(&self, agent: &AgentId, message: &str) -> Result<(), Problem> {
        let lost = self.call(&format!("withdraw {message}")).await?;
        let mut dice = self.dice(&("waits", message));
        let mut world = self.world();
        let known = world.messages.get_mut(message).filter(|message| message.agent == *agent);
        let Some(known) = known else { return Err(Problem::new(Code::NotFound, "no such message")) };
        // Agents of runs have one message at a time, which they begin at once or not yet.
        if known.dropped || !dice.chance(30) {
            return Err(Problem::new(Code::Conflict, "it was typed"));
        }
        (known.dropped, known.dialog) = (true, None);
        let sim = world.agents.get_mut(agent).expect("it has a message");
        sim.at_work = None;
        sim.free_at = Instant::now();
        drop(world);
        self.after(lost, ())
    }

    async fn turn(&self, agent: &AgentId, message: &str) -> Result<MessageProgress, Problem> {
        self.call(&format!("turn {message}")).await?;
        loop {
            let until = {
                let mut world = self.world();
                let now = Instant::now();
                let alive = world.agents[agent].is_alive();
                let sim = &world.messages[message];
                if sim.dropped {
                    return Err(Problem::new(Code::AgentFailed, "it was interrupted"));
                }
                let done_at = sim.done_at.unwrap_or(now);
                match &sim.dialog {
                    Some(dialog) if dialog.is_open() && alive => {
                        if dialog.from <= now {
                            return Ok(MessageProgress::Asks(Box::new(dialog.attention.clone())));
                        }
                        dialog.from
                    }
                    _ if done_at <= now => {
                        let outcome = sim.outcome.clone();
                        let dies = outcome.as_ref().is_err_and(|problem| problem.code == Code::AgentStopped);
                        let sim = world.agents.get_mut(agent).unwrap();
                        sim.at_work = None;
                        if dies {
                            sim.stop(now);
                        }
                        return outcome.map(MessageProgress::Answered);
                    }
                    _ if !alive => return Err(Problem::new(Code::AgentStopped, "it has ended")),
                    _ => done_at,
                }
            };
            tokio::time::sleep_until(until).await;
        }
    }

    async fn attention(&self, agent: &AgentId) -> Result<Option<Attention>, Problem> {
        let world = self.world();
        let mut shown = world.messages.values().filter(|message| message.agent == *agent);
        Ok(shown.find_map(|message| {
            message.dialog.as_ref().filter(|dialog| dialog.is_open()).map(|dialog| dialog.attention.clone())
        }))
    }

    async fn answer(&self, agent: &AgentId, attention: &str, request: &AnswerRequest) -> Result<(), Problem> {
        let lost = self.call(&format!("answer {attention}")).await?;
        let mut dice = self.roll(&format!("late {attention}"));
        let (is_late, is_typed) = (dice.chance(self.faults.often), dice.chance(50));
        let mut world = self.world();
        let mut messages = world.messages.values_mut().filter(|message| message.agent == *agent);
        let dialog = messages.find_map(|message| {
            let ours = message.dialog.as_mut().filter(|dialog| dialog.attention.id == attention);
            ours.filter(|dialog| dialog.is_open())
        });
        match dialog {
            Some(dialog) if dialog.attention.kind == AttentionKind::Stalled => {
                let what = format!("{attention} is answered, and nothing is asked");
                world.complain(what);
            }
            Some(_) if request.option.is_none() => {
                return Err(Problem::new(Code::Validation, "it takes no text"));
            }
            Some(_) if is_late && !is_typed => {}
            Some(dialog) => {
                dialog.wants -= 1;
                if let Some(option) = dialog.attention.options.first_mut().filter(|_| dialog.wants > 0) {
                    option.selected = Some(!option.selected.unwrap_or_default());
                }
            }
            None => return Err(Problem::new(Code::Conflict, "it is not shown")),
        }
        drop(world);
        if is_late {
            return Err(Problem::new(Code::Timeout, "the dialog did not go"));
        }
        self.after(lost, ())
    }

    async fn cleared(&self, agent: &AgentId, attention: &str) {
        while let Ok(Some(shown)) = self.attention(agent).await
            && shown.id == attention
            && self.world().agents[agent].is_alive()
        {
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
    }

    async fn interrupt(&self, agent: &AgentId) -> Result<(), Problem> {
        let mut dice = self.roll(&format!("interrupt {agent}"));
        tokio::time::sleep(Duration::from_millis(dice.below(500))).await;
        if dice.chance(10 + self.faults.often) {
            return Err(Problem::new(Code::Conflict, "it does not listen"));
        }
        let mut world = self.world();
        let Some(sim) = world.agents.get_mut(agent) else { return Err(Problem::no_agent(agent)) };
        sim.takes_requests()?;
        sim.free_at = Instant::now();
        if let Some(key) = sim.at_work.take()
            && let Some(message) = world.messages.get_mut(&key)
        {
            message.dropped = true;
            message.dialog = None;
        }
        Ok(())
    }

    async fn diff(&self, agent: &AgentId, _: &DiffQuery) -> Result<String, Problem> {
        let lost = self.call(&format!("diff {agent}")).await?;
        if !self.world().agents.contains_key(agent) {
            return Err(Problem::no_agent(agent));
        }
        self.after(
            lost,
            format!("--- a/file\n+++ b/file\n@@ -1 +1 @@\n-old\n+new of {agent} for $5 ${{x}}\n"),
        )
    }

    async fn merge(&self, agent: &AgentId, request: &MergeRequest) -> Result<Merged, Problem> {
        let lost = self.call(&format!("merge {agent}")).await?;
        if self.dice(&("merge", agent, &request.into)).chance(self.faults.often) {
            return Err(Problem::new(Code::Conflict, "2 files conflict"));
        }
        self.after(lost, Merged { into: request.into.clone(), commit: "c0ffee".into() })
    }

    async fn stop(&self, agent: &AgentId) -> Result<(), Problem> {
        let lost = self.call(&format!("stop {agent}")).await?;
        let grace = Duration::from_millis(self.dice(&("stop", agent)).below(3000));
        let ended = self.world().agents.get_mut(agent).map(|sim| sim.stop(Instant::now() + grace));
        if let Some(ends_at) = ended {
            self.stopping.notify_waiters();
            tokio::time::sleep_until(ends_at).await;
        }
        self.after(lost, ())
    }

    async fn stop_all(&self) -> Result<(), Problem> {
        let lost = self.call("stop all").await?;
        let ends_at = Instant::now() + Duration::from_millis(100);
        let last = {
            let mut world = self.world();
            let managed = world.agents.values_mut().filter(|sim| !sim.agent.labels.is_empty());
            managed.map(|sim| sim.stop(ends_at)).max()
        };
        tokio::time::sleep_until(last.unwrap_or(ends_at)).await;
        self.after(lost, ())
    }
}

fn dialog(dice: &mut Rng, key: &str, from: Instant) -> Dialog {
    let ids: &[&str] = if dice.chance(50) { &["yes", "no"] } else { &["red", "blue"] };
    let (kind, ids, until) = match dice.below(6) {
        0 => (AttentionKind::Plan, &[APPROVES_PLAN, "go-back"][..], None),
        1 => (AttentionKind::Stalled, &[][..], Some(from + Duration::from_millis(dice.below(400_000)))),
        _ => (AttentionKind::Question, ids, None),
    };
    let wants = if dice.chance(20) { 2 } else { 1 };
    let options = ids.iter().map(|id| AttentionOption {
        id: (*id).into(),
        label: (*id).into(),
        ..AttentionOption::default()
    });
    let attention = Attention {
        id: format!("dialog of {key}"),
        kind,
        text: "Which one, for the money?".into(),
        login_url: None,
        options: options.collect(),
        tool: None,
        questions: Vec::new(),
        plan: None,
        danger: None,
        since: Time::from_millis(0),
    };
    Dialog { attention, from, wants, until }
}

fn agent(name: &str, capabilities: Vec<String>, labels: BTreeMap<String, String>) -> Agent {
    let at = Time::from_millis(0);
    serde_json::from_value(json!({
        "id": AgentId::generate(), "name": name, "type": "fake", "status": AgentStatus::Ready, "runtime": "local",
        "createdAt": at, "updatedAt": at, "capabilities": capabilities, "labels": labels,
    }))
    .unwrap()
}
