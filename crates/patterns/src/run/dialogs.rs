//! The dialogs of an agent's CLI while it works on a message: who answers each, and what the CLI makes of the answer.

use std::time::Duration;

use parallax_api::execution::{Question, QuestionAnswer, QuestionKind, SentKind};
use parallax_api::message::AnswerRequest;
use parallax_api::{AgentId, Attention, AttentionKind, Code, Problem};

use super::engine::Engine;
use super::messaging::{OutgoingMessage, Unanswered};
use super::pool::PooledAgent;
use super::state::{Conversations, QuestionState};

/// How long a dialog may stay on the screen after its answer before it is asked again.
const CLEAR_TIMEOUT: Duration = Duration::from_secs(10);

impl Engine {
    /// Has a dialog of the agent's CLI answered. It may still be shown when this returns: it is asked again then.
    pub(super) async fn dialog(
        &self,
        pooled: &PooledAgent,
        outgoing: &OutgoingMessage,
        attention: &Attention,
    ) -> Result<(), Unanswered> {
        let agent = &pooled.member().agent_id;
        let shown = format!("{}:d:{}", outgoing.key, attention.id);
        let asked = self.store.read(|state| asked_as(state.conversations(), &shown));
        // Only the last one may be open still.
        let settled = asked.iter().filter(|asked| asked.delivered || asked.withdrawn).count();
        let before = settled.checked_sub(1).and_then(|last| asked.get(last));
        if let Some(before) = before.filter(|_| settled == asked.len()) {
            // Its answer is given, and the screen takes a moment to clear. Where it shows other ticks than before, it waits for more.
            let is_same = before.question.options == attention.options;
            let cleared = self.agents.cleared(agent, &attention.id);
            if is_same && tokio::time::timeout(CLEAR_TIMEOUT, cleared).await.is_ok() {
                return Ok(());
            }
        }
        let (mut times, mut is_again) = (settled, before.is_some_and(|before| before.withdrawn));
        while !self.ask_dialog(pooled, outgoing, attention, id_of(&shown, times), is_again).await? {
            // Nothing was typed, so there is nothing to wait for.
            (times, is_again) = (times + 1, true);
        }
        Ok(())
    }

    /// Has a dialog answered under this id, by a person only where that `is_again`. Returns whether the agent's program takes the answer, or
    /// wants none any more.
    async fn ask_dialog(
        &self,
        pooled: &PooledAgent,
        outgoing: &OutgoingMessage,
        attention: &Attention,
        id: String,
        is_again: bool,
    ) -> Result<bool, Unanswered> {
        let agent = &pooled.member().agent_id;
        let kind = kind_of(attention);
        if kind != QuestionKind::Attention {
            self.within_budget(outgoing, &id)?;
        }
        let only_person = match is_again {
            true => Some("it was asked before, and is still shown"),
            // Dialogs that come up while an agent answers another's question.
            false => (outgoing.kind == SentKind::Question)
                .then_some("it came up while a question was being answered"),
        };
        let question = Question {
            id: id.clone(),
            kind,
            step: outgoing.step.clone(),
            role: Some(pooled.member().role.clone()),
            agent_id: Some(agent.clone()),
            attention_id: Some(attention.id.clone()),
            topics: Vec::new(),
            text: attention.text.clone(),
            options: attention.options.clone(),
            login_url: attention.login_url.clone(),
            tool: attention.tool.clone(),
            plan: attention.plan.clone(),
            danger: attention.danger.clone(),
        };
        let resolved = tokio::select! {
            biased;
            resolved = self.resolve(question, only_person) => resolved?,
            () = self.agents.cleared(agent, &attention.id) => {
                let why = match kind {
                    QuestionKind::Attention => "the agent goes on",
                    _ => "it was answered at the agent",
                };
                self.withdraw(&id, why).await?;
                return Ok(true);
            }
        };
        let QuestionAnswer { option, text } = resolved.1;
        let answer = match option {
            Some(option) => AnswerRequest::option(option),
            None => AnswerRequest { text, ..AnswerRequest::default() },
        }
        .to(attention.id.clone());
        match self.answer_in_time(agent, &answer, &attention.id).await {
            Ok(()) => self.delivered(&id).await?,
            // Keys were typed: the same again would be an answer to whatever is shown by then.
            Err(problem) if problem.code == Code::Timeout => {
                let why = format!("the agent's program did not take it in time: {}", problem.detail);
                self.withdraw(&id, &why).await?;
            }
            Err(problem) if matches!(problem.code, Code::Conflict | Code::QuestionChanged) => {
                self.withdraw(&id, "the agent does not show it any more").await?;
            }
            Err(problem) if problem.code == Code::Validation => {
                let why = format!("the agent's program does not take this answer: {}", problem.detail);
                self.withdraw(&id, &why).await?;
                return Ok(false);
            }
            Err(problem) => return Err(Unanswered::Problem(problem)),
        }
        Ok(true)
    }

    /// Answers a dialog. `TIMEOUT` is an outcome: the agent's program does not show that it took the answer.
    async fn answer_in_time(
        &self,
        agent: &AgentId,
        answer: &AnswerRequest,
        attention: &str,
    ) -> Result<(), Problem> {
        let answered = self.retry_until_certain(|| {
            Box::pin(async move {
                match self.agents.answer(agent, attention, answer).await {
                    Err(problem) if problem.code == Code::Timeout => Ok(Err(problem)),
                    outcome => outcome.map(Ok),
                }
            })
        });
        answered.await?
    }
}

/// The questions that a dialog was asked as, in order.
fn asked_as(conversations: &Conversations, shown: &str) -> Vec<QuestionState> {
    (0..).map_while(|times| conversations.question(&id_of(shown, times)).cloned()).collect()
}

/// The id of a question: it depends on the place in the run, the dialog, and how many `times` that was asked before.
fn id_of(shown: &str, times: usize) -> String {
    match times {
        0 => shown.to_owned(),
        _ => format!("{shown}:{}", times + 1),
    }
}

/// The kind of a dialog. A choice without yes and no is a question; everything else that can be answered is treated as a permission.
fn kind_of(attention: &Attention) -> QuestionKind {
    let permits = |id: &str| matches!(id, "yes" | "no" | "always");
    match attention.kind {
        AttentionKind::Login => QuestionKind::Login,
        AttentionKind::Stalled | AttentionKind::Unknown => QuestionKind::Attention,
        AttentionKind::Permission | AttentionKind::Plan => QuestionKind::Permission,
        AttentionKind::Question
            if attention.options.is_empty() || attention.options.iter().any(|option| permits(&option.id)) =>
        {
            QuestionKind::Permission
        }
        AttentionKind::Question => QuestionKind::Question,
    }
}
