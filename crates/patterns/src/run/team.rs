//! Who does the work: agents are spawned or taken, each written down before it is there.

use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use parallax_api::execution::{ExecutionEventData as Data, Fault, SentKind, TeamMember};
use parallax_api::{Agent, AgentId, AgentStatus, Code, Problem, SpawnRequest};
use tokio::sync::oneshot;

use super::door::Coming;
use super::failure::{Failure, is_uncertain};
use super::ledger::Ledger;
use super::pool::{Place, Pool, Seat, Vacancy};
use super::{Inner, scope};
use crate::expression::template::Template;
use crate::pattern::Role;

/// Pause before a call whose outcome is not known is made again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often "no runtime" is believed only after another look: runtimes are not seen at once when a server has just started.
const LOOKS: u32 = 4;
/// The label that leads from an agent to its run.
pub const EXECUTION_LABEL: &str = "parallax.execution";

impl Inner {
    /// An agent of the role for this conversation: the one that has it, or the next that is free.
    pub(super) async fn seat(&self, name: &str, conversation: &str) -> Result<Seat, Failure> {
        if let Some(seat) = self.pool(name)?.claim(conversation) {
            return Ok(seat);
        }
        let before = self.book.read(|ledger| ledger.talk().agent_of(conversation));
        self.next_seat(name, before.as_ref()).await
    }

    /// The agents that a role has from the start.
    pub(super) async fn first_agents(&self) -> Result<(), Failure> {
        let mut coming: Vec<BoxFuture<'_, Result<Seat, Failure>>> = Vec::new();
        for (name, role) in &self.pattern.structure.roles {
            let there =
                self.book.read(|ledger| ledger.present().filter(|member| member.role == *name).count());
            for _ in there..role.min_instances as usize {
                coming.push(Box::pin(self.next_seat(name, None)));
            }
        }
        // All of them at once: one that is given back early would be taken for the next.
        join_all(coming).await.into_iter().collect::<Result<Vec<Seat>, Failure>>().map(drop)
    }

    /// The agents that were asked for when the server died: they are there, or come now.
    pub(super) async fn expected_agents(&self) {
        let mut coming: Vec<BoxFuture<'_, ()>> = Vec::new();
        for (key, wanted) in self.book.read(Ledger::wanted) {
            coming.push(Box::pin(async move {
                let Some(role) = self.pattern.structure.roles.get(&wanted.role) else { return };
                let spawned = self.spawn(&key, &wanted.role, role, wanted.number, &wanted.kind).await;
                // One that does not come is written down as refused; the step asks for the next.
                if let (Ok(member), Ok(pool)) = (spawned, self.pool(&wanted.role)) {
                    pool.take_up(member, None);
                }
            }));
        }
        join_all(coming).await;
    }

    async fn next_seat(&self, name: &str, preferred: Option<&AgentId>) -> Result<Seat, Failure> {
        match self.pool(name)?.place(preferred).await {
            Place::Taken(seat) => Ok(seat),
            Place::Vacant(vacancy) => {
                // Not here: the step may be over before the agent has come.
                let (seat_tx, seat_rx) = oneshot::channel();
                let coming = Coming { role: name.to_owned(), vacancy, seat_tx };
                self.coming_tx.send(coming).map_err(|_| Failure::halted())?;
                seat_rx.await.map_err(|_| Failure::halted())?
            }
        }
    }

    pub(super) fn pool(&self, name: &str) -> Result<&Pool, Failure> {
        self.pools.get(name).ok_or_else(|| Failure::lasting("VALIDATION_ERROR", format!("no role `{name}`")))
    }

    /// Has an agent come to a place that is free.
    pub(super) async fn fill(&self, name: &str, vacancy: Vacancy) -> Result<Seat, Failure> {
        let role = &self.pattern.structure.roles[name];
        if !role.managed {
            let member = self.bind(name, role, vacancy.number).await?;
            return Ok(vacancy.fill(member));
        }
        let mut refused = None;
        for kind in role.types() {
            let key = format!("{}/{name}/{}/{kind}", self.id, vacancy.number);
            self.book
                .record(Data::AgentWanted {
                    key: key.clone(),
                    role: name.into(),
                    number: vacancy.number,
                    r#type: kind.clone(),
                })
                .await?;
            match self.spawn(&key, name, role, vacancy.number, kind).await {
                Ok(member) => return Ok(vacancy.fill(member)),
                Err(failure) if another_type_may_do(&failure.fault) => refused = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(refused.unwrap_or_else(|| Failure::lasting("VALIDATION_ERROR", "the role has no agent type")))
    }

    /// Spawns an agent that is written down as wanted.
    async fn spawn(
        &self,
        key: &str,
        name: &str,
        role: &Role,
        number: u32,
        kind: &str,
    ) -> Result<TeamMember, Failure> {
        let spawned = match self.request(name, role, number, kind) {
            Ok(request) => self.patiently(|| self.agents.spawn(key, &request)).await,
            Err(failure) => Err(Problem::new(Code::Validation, failure.fault.message)),
        };
        match spawned {
            Ok(agent) => {
                let member = member(&agent, name, number, true);
                self.book.record(Data::AgentJoined { member: member.clone() }).await?;
                Ok(member)
            }
            Err(problem) => {
                let error = Fault::from(&problem);
                let refused = Data::AgentRefused { key: key.into(), role: name.into(), error };
                self.book.record(refused).await?;
                Err(Failure::from(&problem))
            }
        }
    }

    fn request(&self, name: &str, role: &Role, number: u32, kind: &str) -> Result<SpawnRequest, Failure> {
        let filled = |text: &String| {
            let template = Template::parse(text).map_err(Failure::untyped)?;
            template.text(&scope::Variables(self)).map_err(Failure::untyped)
        };
        let workdir = match &role.workdir {
            Some(text) => Some(filled(text)?),
            None => self.book.read(|ledger| ledger.workdir().map(str::to_owned)),
        };
        let mut env = std::collections::BTreeMap::new();
        for (variable, text) in &role.env {
            env.insert(variable.clone(), filled(text)?.into());
        }
        let short = &self.id[self.id.len().saturating_sub(4)..];
        let agent_name: String = format!("{name}-{number}-{short}").chars().take(63).collect();
        let labels = [
            (EXECUTION_LABEL, self.id.as_str()),
            ("parallax.pattern", self.pattern.name.as_str()),
            ("parallax.role", name),
        ];
        Ok(SpawnRequest {
            name: agent_name,
            r#type: kind.to_owned(),
            capabilities: role.capabilities.clone(),
            workdir,
            env,
            runtime: role.runtime.clone(),
            role: Some(name.to_owned()),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            model: role.model.clone(),
            args: role.args.clone(),
            approvals: role.approvals,
            image: role.image.clone(),
            ..SpawnRequest::default()
        })
    }

    /// Takes an agent that runs already.
    async fn bind(&self, name: &str, role: &Role, number: u32) -> Result<TeamMember, Failure> {
        let running = self.agents.running().await;
        let fits = |agent: &&Agent| {
            agent.status != AgentStatus::Stopped
                && !agent.labels.contains_key(EXECUTION_LABEL)
                && role.capabilities.iter().all(|word| agent.capabilities.contains(word))
                && (role.types().is_empty() || role.types().contains(&agent.r#type))
        };
        let mut fitting: Vec<&Agent> = running.iter().filter(fits).collect();
        fitting.sort_by_key(|agent| (agent.status != AgentStatus::Ready, agent.created_at, agent.id.clone()));
        for agent in fitting {
            let member = member(agent, name, number, false);
            let free = |ledger: &Ledger| ledger.present().all(|other| other.agent_id != member.agent_id);
            let joined = Data::AgentJoined { member: member.clone() };
            let mut taken = false;
            let take = |ledger: &Ledger| {
                taken = free(ledger);
                taken.then_some(joined)
            };
            self.book.record_if(take).await?;
            if taken {
                return Ok(member);
            }
        }
        let wanted = if role.capabilities.is_empty() { role.types() } else { &role.capabilities };
        let message = format!("no running agent is free for the role `{name}` ({})", wanted.join(", "));
        Err(Failure::again(Code::AgentNotFound.as_str(), message))
    }

    /// Makes a call until its outcome is known.
    pub(super) async fn patiently<'a, T>(
        &self,
        mut call: impl FnMut() -> BoxFuture<'a, Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let (mut pause, mut looks) = (FIRST_PAUSE, 0);
        loop {
            match call().await {
                Err(problem) if is_uncertain(&problem) => {}
                Err(problem) if problem.code == Code::NoRuntime && looks < LOOKS => looks += 1,
                outcome => return outcome,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Leaves a copy of a message of `from` for every role that the rules name.
    pub(super) async fn leave_notes(
        &self,
        kind: crate::pattern::MessageType,
        attempt: &str,
        from: &str,
        text: &str,
    ) -> Result<(), Failure> {
        for to in super::routing::copies(&self.pattern, kind, from, text) {
            let key = format!("{attempt}:{kind:?}:{to}");
            let note = super::routing::note(kind, from, text);
            self.book
                .record_if(|ledger| {
                    let room = ledger.notes(&to).len() < super::routing::MAX_NOTES;
                    let new = room && !ledger.has_note(&key);
                    new.then(|| Data::NoteLeft { key, from: from.into(), to: to.clone(), text: note })
                })
                .await?;
        }
        Ok(())
    }

    /// Whether an agent must first be told who it is.
    pub(super) fn briefing(&self, member: &TeamMember, kind: SentKind) -> Option<String> {
        let role = self.pattern.structure.roles.get(&member.role)?;
        let first = !self.book.read(|ledger| ledger.talk().was_sent_to(&member.agent_id));
        (role.briefing && first && kind != SentKind::Answer)
            .then(|| super::prompt::briefing(&self.pattern, &member.role, role))
    }
}

fn member(agent: &Agent, role: &str, number: u32, managed: bool) -> TeamMember {
    TeamMember {
        agent_id: agent.id.clone(),
        role: role.into(),
        number,
        r#type: agent.r#type.clone(),
        runtime: agent.runtime.clone(),
        managed,
        present: true,
    }
}

/// Whether a refusal is about the type, so that an alternative may be spawned.
fn another_type_may_do(fault: &Fault) -> bool {
    let of_the_type = [
        Code::CliNotFound,
        Code::NoRuntime,
        Code::Unsupported,
        Code::ImageNotFound,
        Code::SpawnFailed,
        Code::Validation,
    ];
    of_the_type.iter().any(|code| code.as_str() == fault.code)
}
