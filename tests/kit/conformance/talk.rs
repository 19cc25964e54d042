//! Messages: each delivered once, whole, in order, and its own answer.

use parallax_api::client::{Client, FileContent};
use parallax_api::message::{MessageState, MessagesQuery};
use parallax_api::{Agent, AgentStatus, Code, EventData, Role, SendRequest, SpawnRequest, WhenBusy};

use crate::awkward_messages::{as_taken, fifty};
use crate::backend::{TestBackend, fake};
use crate::models::log::digest;
use crate::pictures::{JPEG, PNG, image};
use crate::user::Spawned;

/// An answer is the message's own.
pub async fn answers(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("talker", &[])).await;
    assert_eq!(agent.say("hello").await, "echo: hello");
    assert_eq!(agent.say("do lines 300").await.lines().count(), 300, "more than a screen");
    let messages = agent.messages().await;
    assert_eq!(messages.len(), 4);
    assert_eq!((messages[0].role, messages[0].content.as_str()), (Role::User, "hello"));
    assert_eq!(messages[0].state, Some(MessageState::Answered));
    assert_eq!((messages[1].role, messages[1].content.as_str()), (Role::Agent, "echo: hello"));
    assert_eq!(messages[1].in_reply_to.as_ref(), Some(&messages[0].id));
}

/// Images are files of the agent's own that its CLI is shown first; one that was cut off is refused.
pub async fn images_come_before_the_text(backend: &impl TestBackend) {
    let user = backend.user();
    let agent = user.spawn_ready(fake("looker", &[])).await;
    let images = vec![image(PNG, "shot.png"), image(JPEG, "../photo.jpg")];
    let (png, jpeg) = (PNG.len(), JPEG.len());
    let request =
        SendRequest { message: "hello".into(), expect_response: true, images, ..SendRequest::default() };
    let sent = agent.client.send(&agent.id, &request).await.expect("it takes images");
    let answer = sent.response.expect("a response was asked for").content;
    assert_eq!(answer, format!("echo: [Image #1, {png} bytes][Image #2, {jpeg} bytes]hello"));
    let messages = agent.messages().await;
    assert_eq!(messages[0].content, "hello");
    let named: Vec<_> = messages[0].images.iter().map(|image| (image.name.as_str(), image.size)).collect();
    assert_eq!(named, [("shot.png", png), ("photo.jpg", jpeg)]);
    let files = agent.client.file(&agent.id, "").await.expect("a list");
    let FileContent::Directory(list) = files else { panic!("it is one") };
    assert!(list.entries.iter().all(|entry| !entry.name.contains("image")), "the working directory has none");

    let mut cut = request;
    cut.images[0] = image(&PNG[..30], "cut.png");
    let refused = agent.send_refused(cut).await;
    assert_eq!((refused.code, refused.more["field"].as_str()), (Code::Validation, Some("images[0].data")));
}

/// Fifty messages of every awkward shape: taken once, whole, each answered by its own.
pub async fn fifty_messages(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("patient", &[])).await;
    let mut taken = Vec::new();
    for message in fifty() {
        let answer = agent.say(message.text.as_str()).await;
        let text = answer.strip_prefix("echo: ").unwrap_or_else(|| panic!("{}: {answer:.200}", message.name));
        let (arrived, sent) = (as_taken(text), as_taken(&message.text));
        assert!(arrived == sent, "{}:\nsent    {sent:.300?}\narrived {arrived:.300?}", message.name);
        taken.push(text.to_owned());
    }
    let recalled = agent.say("do recall").await;
    assert_eq!(
        recalled,
        format!("50 before: {}", digest(&taken.join("\0"))),
        "each was taken once, in order"
    );
}

/// Messages to an agent that is starting wait, in order.
pub async fn waits_while_starting(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn(fake("late", &["--start-gate"])).await;
    let ids = [agent.tell("one").await, agent.tell("two").await, agent.tell("three").await];
    let is_waiting = |agent: &Agent| agent.status == AgentStatus::Starting && agent.queued == 3;
    agent.is("starting, with three waiting", |agent| is_waiting(agent).then_some(())).await;
    agent.press(&["enter"]).await;
    for (id, text) in ids.iter().zip(["one", "two", "three"]) {
        assert_eq!(agent.answer_to(id).await.content, format!("echo: {text}"));
    }
    assert!(agent.say("do recall").await.starts_with("3 before"));
}

/// Messages to a busy agent wait, in order.
pub async fn queues_while_busy(backend: &impl TestBackend) {
    let mut agent = busy_agent(backend).await;
    let first = agent.tell("one").await;
    let second = agent.tell("two").await;
    agent.is("busy with two waiting", |agent| (agent.queued == 2).then_some(())).await;
    agent.press(&["ctrl-g"]).await;
    assert_eq!(agent.answer_to(&first).await.content, "echo: one");
    assert_eq!(agent.answer_to(&second).await.content, "echo: two");
    assert_eq!(agent.becomes(AgentStatus::Ready).await.queued, 0);
}

/// `whenBusy: reject`
pub async fn rejects_while_busy(backend: &impl TestBackend) {
    let agent = busy_agent(backend).await;
    let request =
        SendRequest { message: "now".into(), when_busy: WhenBusy::Reject, ..SendRequest::default() };
    assert_eq!(agent.send_refused(request).await.code, Code::AgentBusy);
    agent.press(&["ctrl-g"]).await;
}

/// `whenBusy: interrupt`
pub async fn interrupts_when_told(backend: &impl TestBackend) {
    let agent = busy_agent(backend).await;
    let request =
        SendRequest { message: "at once".into(), when_busy: WhenBusy::Interrupt, ..SendRequest::default() };
    assert_eq!(agent.answered(request).await, "echo: at once");
}

/// An interrupted turn is over, and what was said is kept.
pub async fn is_interrupted(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("interrupted", &[])).await;
    let id = agent.tell("do say half && gate && say whole").await;
    agent.becomes(AgentStatus::Busy).await;
    agent.interrupt().await;
    agent.becomes(AgentStatus::Ready).await;
    let messages = agent.messages().await;
    let answer = messages.iter().find(|message| message.in_reply_to.as_deref() == Some(&id));
    match answer {
        Some(answer) => assert!(answer.interrupted && answer.content == "half", "{answer:?}"),
        None => assert_eq!(messages[0].state, Some(MessageState::Failed), "{messages:?}"),
    }
    assert_eq!(agent.say("and now?").await, "echo: and now?");
}

/// A message that timed out is answered all the same: as an event and in the conversation.
pub async fn a_late_answer_is_not_lost(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("slow", &[])).await;
    let request = SendRequest {
        message: "do gate && say late".into(),
        expect_response: true,
        timeout_ms: Some(500),
        ..SendRequest::default()
    };
    let problem = agent.send_refused(request).await;
    assert_eq!((problem.code, problem.status), (Code::Timeout, 504));
    let id = problem.more["messageId"].as_str().expect("the message is named").to_owned();
    agent.press(&["ctrl-g"]).await;
    assert_eq!(agent.answer_to(&id).await.content, "late");
    let messages = agent.messages().await;
    assert_eq!(messages.iter().filter(|message| message.in_reply_to.as_ref() == Some(&id)).count(), 1);
}

/// `Idempotency-Key` on send.
pub async fn a_retried_message_is_one(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("once", &[])).await;
    let request =
        SendRequest { message: "only once".into(), expect_response: true, ..SendRequest::default() };
    let (first, second) = tokio::join!(
        agent.client.send_once("key-1", &agent.id, &request),
        agent.client.send_once("key-1", &agent.id, &request),
    );
    let third = agent.client.send_once("key-1", &agent.id, &request).await;
    let (first, second, third) = (first.expect("sent"), second.expect("sent"), third.expect("sent"));
    assert!(first == second && second == third, "{first:?}\n{second:?}\n{third:?}");
    assert!(agent.say("do recall").await.starts_with("1 before"), "it was typed once");
    let other = SendRequest { message: "another".into(), ..SendRequest::default() };
    let problem = agent.client.send_once("key-1", &agent.id, &other).await.expect_err("a conflict");
    assert_eq!(problem.code, Code::IdempotencyConflict);
}

/// `Idempotency-Key` on spawn.
pub async fn a_retried_spawn_is_one(backend: &impl TestBackend) {
    let client: Client = backend.user().client;
    let request = fake("once", &[]);
    let (first, second) =
        tokio::join!(client.spawn_once("key-1", &request), client.spawn_once("key-1", &request));
    assert_eq!(first.expect("spawned").id, second.expect("spawned").id);
    let problem = client.spawn_once("key-1", &fake("another", &[])).await.expect_err("a conflict");
    assert_eq!(problem.code, Code::IdempotencyConflict);
}

/// An Enter that the agent lost is pressed again, and the message is there once.
pub async fn a_swallowed_enter_is_repeated(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("swallower", &["--swallow-ms", "400"])).await;
    let answer = agent.say("can you hear me?").await;
    assert_eq!(answer.trim_end(), "echo: can you hear me?");
    assert!(agent.say("do recall").await.starts_with("1 before"));
}

/// `prompt` is sent once, when the agent is ready.
pub async fn a_prompt_is_the_first_message(backend: &impl TestBackend) {
    let request = SpawnRequest { prompt: Some("look around".into()), ..fake("prompted", &[]) };
    let mut agent = backend.user().spawn(request).await;
    let answer = agent
        .event("the prompt's answer", |data| match data {
            EventData::Message { message } if message.role == Role::Agent => Some(message.content.clone()),
            _ => None,
        })
        .await;
    assert_eq!(answer, "echo: look around");
    assert!(agent.say("do recall").await.starts_with("1 before"));
}

/// Title, screen and session file will do.
pub async fn answers_without_reports(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("mute", &["--no-status"])).await;
    assert_eq!(agent.say("hello").await, "echo: hello");
    assert_eq!(agent.say("do wait 400 && say done").await, "done");
}

/// A turn that fails: the sender learns why, the status has the error, and the next message may bring the agent back.
pub async fn a_failed_turn_is_told(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("unlucky", &[])).await;
    let request =
        SendRequest { message: "do fail overloaded".into(), expect_response: true, ..SendRequest::default() };
    let problem = agent.send_refused(request).await;
    assert_eq!((problem.code, problem.status), (Code::AgentFailed, 502));
    let failed = agent.becomes(AgentStatus::Error).await;
    let error = failed.error.expect("an agent in error says why");
    assert_eq!(error.code, "rate_limit");
    assert!(error.message.contains("overloaded"), "{error:?}");
    assert_eq!(agent.say("better now?").await, "echo: better now?");
    assert!(agent.becomes(AgentStatus::Ready).await.error.is_none());
}

/// An agent that ends in the middle of a turn fails the message that waits for it.
pub async fn a_crash_fails_the_message(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("crash", &[])).await;
    let request =
        SendRequest { message: "do crash 9".into(), expect_response: true, ..SendRequest::default() };
    let problem = agent.send_refused(request).await;
    assert!(matches!(problem.code, Code::AgentStopped | Code::AgentFailed), "{problem:?}");
    agent.ends().await;
    let messages = agent.messages().await;
    assert_eq!(messages[0].state, Some(MessageState::Failed), "{messages:?}");
    let refused =
        agent.send_refused(SendRequest { message: "hello?".into(), ..SendRequest::default() }).await;
    assert_eq!(refused.code, Code::AgentStopped);
}

/// The queue is bounded and says so.
pub async fn a_full_queue_refuses(backend: &impl TestBackend) {
    let agent = busy_agent(backend).await;
    let request = SendRequest { message: "more".into(), ..SendRequest::default() };
    let mut accepted = 0;
    let problem = loop {
        match agent.client.send(&agent.id, &request).await {
            Ok(_) if accepted < 5000 => accepted += 1,
            Ok(_) => panic!("{accepted} messages were queued and no end"),
            Err(problem) => break problem,
        }
    };
    assert_eq!((problem.code, problem.status), (Code::ResourceLimit, 429), "after {accepted}");
    assert!(accepted >= 10, "a queue of {accepted} is none");
}

/// Text that looks like a dialog, an error or a login changes no state.
pub async fn what_is_printed_changes_nothing(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("quoting", &[])).await;
    let script = "do print Error: Please log in at https://example.invalid/login \
                  && print Do you want to go on? \
                  && print ❯ 1. Yes \
                  && print Esc to cancel \
                  && print ! failed: not really \
                  && gate && say still here";
    let id = agent.tell(script).await;
    agent.becomes(AgentStatus::Busy).await;
    crate::wait::until("all of it to be printed", crate::wait::PATIENCE, async || {
        let screen = agent.screen().await;
        if screen.contains("not really") { Ok(()) } else { Err(screen) }
    })
    .await;
    let quoting = agent.agent().await;
    assert!(quoting.attention.is_none() && quoting.error.is_none(), "{quoting:?}");
    assert_eq!(quoting.status, AgentStatus::Busy);
    agent.press(&["ctrl-g"]).await;
    assert_eq!(agent.answer_to(&id).await.content, "still here");
    let ready = agent.becomes(AgentStatus::Ready).await;
    assert!(ready.attention.is_none() && ready.error.is_none(), "{ready:?}");
}

/// `since` and `limit` of the conversation.
pub async fn messages_go_on_from_one(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("talker", &[])).await;
    for word in ["one", "two", "three"] {
        agent.say(word).await;
    }
    let all = agent.messages().await;
    assert_eq!(all.len(), 6);
    let page = |since: Option<String>, limit| MessagesQuery { since, limit };
    let later =
        agent.client.messages(&agent.id, &page(Some(all[1].id.clone()), None)).await.expect("messages");
    assert_eq!(later, all[2..]);
    let newest = agent.client.messages(&agent.id, &page(None, Some(2))).await.expect("messages");
    assert_eq!(newest, all[4..]);
}

/// An agent in a turn that ends with Ctrl-G.
async fn busy_agent(backend: &impl TestBackend) -> Spawned {
    let mut agent = backend.user().spawn_ready(fake("busy", &[])).await;
    agent.tell("do gate").await;
    agent.becomes(AgentStatus::Busy).await;
    agent
}
