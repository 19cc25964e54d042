//! What a person is needed for: questions and logins.

use parallax_api::message::AnswerRequest;
use parallax_api::{AgentStatus, Approvals, AttentionKind, Code, EventData, SendRequest, SpawnRequest};

use crate::backend::{TestBackend, fake};

/// A permission is asked for with its options, given by option, and the turn goes on.
pub async fn permission_is_asked_and_given(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("asking", &[])).await;
    for (option, outcome) in [("yes", "permitted"), ("always", "permitted for good")] {
        let id = agent.tell("do ask touch demo.txt && say done").await;
        let attention = agent.asks(AttentionKind::Question).await;
        assert!(attention.text.contains("touch demo.txt"), "{attention:?}");
        let options: Vec<&str> = attention.options.iter().map(|option| option.id.as_str()).collect();
        assert_eq!(options, ["yes", "always", "no"], "{attention:?}");
        assert_eq!(attention.options[0].label, "Yes");
        agent.chooses(option).await;
        assert_eq!(agent.answer_to(&id).await.content, format!("{outcome}\ndone"));
        agent.becomes(AgentStatus::Ready).await;
    }
    agent.stop().await;
    agent.told("the end", |event| matches!(event, EventData::AgentStopped { .. }).then_some(())).await;
    let told = |name| agent.seen().iter().filter(|event| event.data.name() == name).count();
    assert_eq!((told("question"), told("attention_cleared")), (2, 2), "{:#?}", agent.seen());
    let asked = agent.seen().iter().find_map(|event| match &event.data {
        EventData::Question { agent, question } => Some((agent.clone(), question.clone())),
        _ => None,
    });
    let (asking, question) = asked.expect("a question was told");
    assert_eq!(asking.attention.expect("the agent says what it needs").text, question);
}

/// The other way.
pub async fn permission_is_refused(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("asking", &[])).await;
    let id = agent.tell("do ask rm -rf / && say done").await;
    agent.asks(AttentionKind::Question).await;
    agent.chooses("no").await;
    assert_eq!(agent.answer_to(&id).await.content, "refused\ndone");
}

/// A question with choices takes one by its label's word.
pub async fn a_choice_takes_an_option(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("choosing", &[])).await;
    let id = agent.tell("do choose Red | Deep Blue").await;
    let attention = agent.asks(AttentionKind::Question).await;
    let blue = attention.options.iter().find(|option| option.label == "Deep Blue").expect("it is a choice");
    agent.chooses(&blue.id).await;
    assert_eq!(agent.answer_to(&id).await.content, "chose Deep Blue");
}

/// A question that takes text takes it.
pub async fn a_choice_takes_text(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("choosing", &[])).await;
    let id = agent.tell("do choose Red | Blue").await;
    agent.asks(AttentionKind::Question).await;
    agent.reply("a shade of green").await.expect("it takes text");
    assert_eq!(agent.answer_to(&id).await.content, "chose a shade of green");
}

/// A dialog before the first composer is a question; the agent is not ready before it is answered.
pub async fn a_dialog_at_the_start(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn(fake("careful", &["--trust"])).await;
    let attention = agent.asks(AttentionKind::Question).await;
    assert_eq!(agent.agent().await.status, AgentStatus::Starting);
    assert!(attention.text.contains("Do you trust this folder?"), "{attention:?}");
    agent.chooses("yes").await;
    agent.becomes(AgentStatus::Ready).await;
    assert_eq!(agent.say("hello").await, "echo: hello");
}

/// A login is published with its URL, whole though it is longer than the screen is wide, and is answered with its code.
pub async fn a_login_with_its_whole_url(backend: &impl TestBackend) {
    let scope: String = (0..60).map(|number| format!("scope{number:02}+")).collect();
    let url = format!(
        "https://login.example.invalid/oauth/authorize?code=true&client_id=parallax&scope={scope}end"
    );
    let mut agent = backend.user().spawn(fake("stranger", &["--login", &url])).await;
    let attention = agent.asks(AttentionKind::Login).await;
    assert_eq!(attention.login_url.as_deref(), Some(url.as_str()));
    agent
        .told("a login with its URL", |event| {
            matches!(event, EventData::LoginRequired { login_url: Some(told), .. } if *told == url)
                .then_some(())
        })
        .await;
    assert!(agent.seen().iter().all(|event| event.data.name() != "agent_ready"), "it never was ready");

    let message = SendRequest { message: "hello".into(), ..SendRequest::default() };
    let problem = agent.send_refused(message).await;
    assert_eq!(problem.code, Code::AuthRequired);
    assert_eq!(problem.more["loginUrl"], url.as_str());

    agent.reply("let-me-in").await.expect("a login takes its code");
    agent.becomes(AgentStatus::Ready).await;
    assert_eq!(agent.say("hello").await, "echo: hello");
}

/// Credentials in the request's environment need no person.
pub async fn credentials_need_no_login(backend: &impl TestBackend) {
    let mut request = fake("known", &["--login", "https://login.example.invalid/"]);
    request.env.insert("FAKE_AGENT_KEY".into(), "secret".into());
    let agent = backend.user().spawn_ready(request).await;
    assert!(agent.seen().iter().all(|event| event.data.name() != "login_required"), "{:?}", agent.seen());
}

/// `approvals: all` becomes what the CLI calls it.
pub async fn what_is_approved_is_not_asked(backend: &impl TestBackend) {
    let request = SpawnRequest { approvals: Some(Approvals::All), ..fake("trusted", &[]) };
    let agent = backend.user().spawn_ready(request).await;
    assert_eq!(agent.say("do ask anything").await, "permitted unasked");
}

/// While a question is open a message is refused with it.
pub async fn a_question_comes_before_messages(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("asking", &[])).await;
    let id = agent.tell("do ask something").await;
    let attention = agent.asks(AttentionKind::Question).await;
    let message = SendRequest { message: "hello".into(), ..SendRequest::default() };
    let problem = agent.send_refused(message).await;
    assert_eq!((problem.code, problem.status), (Code::QuestionPending, 409));
    assert_eq!(problem.more["attention"]["id"], attention.id.as_str(), "{problem:?}");
    agent.chooses("yes").await;
    agent.answer_to(&id).await;
}

/// An answer to nothing, and an option that is not there, are refused and press no key.
pub async fn what_was_not_asked_is_not_answered(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("quiet", &[])).await;
    assert_eq!(agent.choose("yes").await.expect_err("nothing was asked").code, Code::Conflict);
    let id = agent.tell("do ask something").await;
    agent.asks(AttentionKind::Question).await;
    let problem = agent.choose("perhaps").await.expect_err("there is no such option");
    assert_eq!(problem.code, Code::Validation, "{problem:?}");
    agent.chooses("no").await;
    assert_eq!(agent.answer_to(&id).await.content, "refused");
}

/// An answer that does not say which question it is for is refused when the question has just come, or follows another.
pub async fn an_answer_names_its_question(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("asking", &[])).await;
    let id = agent.tell("do ask one thing && ask another").await;
    agent.asks(AttentionKind::Question).await;
    agent.chooses("yes").await;
    let second = agent
        .is("asking for another", |agent| {
            let attention = agent.attention.clone()?;
            (attention.text.contains("another") && !attention.options.is_empty()).then_some(attention)
        })
        .await;
    let unnamed = AnswerRequest::option("no");
    let refused = agent.client.answer(&agent.id, &unnamed).await.expect_err("another one stood there");
    assert_eq!((refused.code, refused.status), (Code::QuestionChanged, 409));
    assert_eq!(refused.more["attention"]["id"], second.id.as_str(), "{refused:?}");
    // The longest that a person may be in doubt about it.
    let taken =
        crate::wait::until("an answer without a name to be taken", crate::wait::PATIENCE, async || {
            agent.client.answer(&agent.id, &unnamed).await.map(drop)
        });
    taken.await;
    assert_eq!(agent.answer_to(&id).await.content, "permitted\nrefused");
}

/// An agent that works, and of which nothing is seen for as long as the request allows, needs a person; it goes on.
pub async fn a_stalled_agent_needs_a_person(backend: &impl TestBackend) {
    let request = SpawnRequest { stall_seconds: Some(1), ..fake("stuck", &[]) };
    let mut agent = backend.user().spawn_ready(request).await;
    let id = agent.tell("do gate && say done").await;
    agent
        .is("stalled", |agent| {
            agent.attention.as_ref().filter(|attention| attention.kind == AttentionKind::Stalled).map(drop)
        })
        .await;
    assert_eq!(agent.agent().await.status, AgentStatus::Busy);
    agent.press(&["ctrl-g"]).await;
    assert_eq!(agent.answer_to(&id).await.content, "done");
    agent.becomes(AgentStatus::Ready).await;
}
