//! Agents of all three CLIs in one working directory, all at work at once: every answer is its own.

use std::time::Duration;

use parallax_api::message::{MessageSource, MessageState};
use parallax_api::{Role, SendRequest};
use parallax_testkit::backend::TestBackend;
use parallax_testkit::local::LocalBackend;
use parallax_testkit::models::Models;
use parallax_testkit::models::scenario::{Pace, Reply, Scenario, Step};
use parallax_testkit::real_cli::{RealCli, cases};
use parallax_testkit::user::Spawned;
use parallax_testkit::wait::within;

const CLIS: [RealCli; 3] = [RealCli::Claude, RealCli::Codex, RealCli::Gemini];
/// Agents of each CLI, unless `PARALLAX_TEST_AGENTS` says otherwise.
const AGENTS: usize = 5;
/// Messages to each agent, unless `PARALLAX_TEST_ROUNDS` says otherwise.
const ROUNDS: usize = 3;
/// For one answer: fifteen CLIs share the machine.
const PATIENCE: Duration = Duration::from_secs(300);

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

/// One of the agents: what it is asked in each round, and what its model says to that.
#[derive(Clone, Copy)]
struct Member {
    cli: RealCli,
    number: usize,
}

impl Member {
    fn question(self, round: usize) -> String {
        format!("This is round {round:03} for {} number {:03}: what is yours?", self.cli.name(), self.number)
    }

    fn answer(self, round: usize) -> String {
        let (cli, number) = (self.cli.name(), self.number);
        format!(
            "Mine is {cli}-{number:03}-{round:03}:\n\n1. of `{cli}`\n2. agent **{number}**\n3. round {round}"
        )
    }

    /// Turns take differently long, so that those of the agents meet in every way. The longest has a pause in the middle.
    fn reply(self, round: usize) -> Reply {
        let answer = self.answer(round);
        let (first, rest) = answer.split_at(answer.len() / 2);
        let pause = (self.number * 7 + round * 3) as u64 % 5 * 150;
        let rest = Step { delay_ms: Some(pause), ..Step::text(rest) };
        Reply::steps(vec![Step::text(first), rest]).to(self.question(round))
    }

    fn source(self) -> MessageSource {
        match self.cli {
            RealCli::Claude => MessageSource::Hook,
            RealCli::Codex | RealCli::Gemini => MessageSource::Record,
        }
    }

    /// Asks it everything, each time as soon as it has answered; gives what was not as it must be.
    async fn work(self, agent: Spawned, rounds: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        for round in 0..rounds {
            let request = SendRequest {
                message: self.question(round),
                expect_response: true,
                timeout_ms: Some(u64::try_from(PATIENCE.as_millis()).expect("it is short")),
                ..SendRequest::default()
            };
            let sent = within("an answer", PATIENCE * 2, agent.client.send(&agent.id, &request)).await;
            let got = sent.map(|sent| sent.response.map(|answer| (answer.content, answer.source)));
            if !matches!(&got, Ok(Some((content, Some(source)))) if *content == self.answer(round) && *source == self.source())
            {
                wrong.push(format!("{}-{:03}-{round:03}: {got:?}", self.cli.name(), self.number));
            }
        }
        wrong.extend(self.conversation(&agent, rounds).await);
        wrong
    }

    /// The conversation as it is kept: each message once, with its own answer.
    async fn conversation(self, agent: &Spawned, rounds: usize) -> Option<String> {
        let kept: Vec<(Role, String)> = agent
            .messages()
            .await
            .into_iter()
            .filter(|message| message.state.is_none_or(|state| state == MessageState::Answered))
            .map(|message| (message.role, message.content))
            .collect();
        let expected: Vec<_> = (0..rounds)
            .flat_map(|round| [(Role::User, self.question(round)), (Role::Agent, self.answer(round))])
            .collect();
        (kept != expected)
            .then(|| format!("the conversation of {}-{:03}: {kept:#?}", self.cli.name(), self.number))
    }
}

/// Many agents of each CLI, spawned at once in the same directory, each asked something else as soon as it has answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the real CLIs: make test-clis"]
async fn in_one_directory_every_answer_is_its_own() {
    let (agents, rounds) = (number("PARALLAX_TEST_AGENTS", AGENTS), number("PARALLAX_TEST_ROUNDS", ROUNDS));
    println!("{agents} agents of each CLI, {rounds} rounds (PARALLAX_TEST_AGENTS, PARALLAX_TEST_ROUNDS)");
    // Neighbours are of different CLIs.
    let members: Vec<Member> =
        (0..agents).flat_map(|number| CLIS.map(|cli| Member { cli, number })).collect();
    let replies = members.iter().flat_map(|member| (0..rounds).map(|round| member.reply(round))).collect();
    let defaults = Pace { chunk_chars: Some(16), chunk_delay_ms: Some(2), first_delay_ms: Some(5) };
    let models = Models::start(Scenario { defaults, replies, ..Scenario::default() })
        .await
        .expect("the loopback interface has a free port");
    let env: Vec<_> = CLIS.into_iter().flat_map(|cli| cli.env(&models)).collect();
    let backend =
        LocalBackend::start_with(&[], &env, |home| CLIS.iter().for_each(|cli| cli.prepare(home, &models)))
            .await;

    let user = backend.user();
    let work = members.iter().map(async |member| {
        let mut request = member.cli.request();
        request.name = format!("{}-{}", member.cli.name(), member.number);
        // What it is told first waits for it to be ready.
        member.work(user.spawn(request).await, rounds).await
    });
    let wrong: Vec<String> = futures::future::join_all(work).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), members.len() * rounds, wrong.join("\n"));

    let mut asked: Vec<String> = models.turns().into_iter().map(|turn| turn.whole_text).collect();
    let mut expected: Vec<String> =
        members.iter().flat_map(|member| (0..rounds).map(|round| member.question(round))).collect();
    asked.sort_unstable();
    expected.sort_unstable();
    assert_eq!(asked, expected, "each was taken once, and nothing else was");
    println!("{} answers, each its own", members.len() * rounds);
    cases::finish(backend).await;
}
