//! What agents of a run show while they work, and messages that nobody waits for any more.

use parallax_api::message::MessageState;
use parallax_api::preset::PresetRequest;

use super::*;

/// An answer of this kind is refused by the agent's program, which waits as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_a_dialog_does_not_take_is_asked_for_again() {
    let (directory, up) = company(WORKING).await;
    let steps = team("    - {type: assign, role: dev, task: touch}");
    let mut run = FollowedRun::start(&up.user().client, &steps, json!({})).await;
    let question = run.asks_user().await;
    let typed = ExecutionAnswer {
        question_id: Some(question.id.clone()),
        text: Some("y".into()),
        ..ExecutionAnswer::default()
    };
    run.client.answer_execution(&run.id, &typed).await.expect("it is not known yet that it takes no text");
    let again = run.asks_user().await;
    assert_ne!(again.id, question.id);
    assert_eq!((&again.text, &again.options), (&question.text, &question.options));
    let withdrawn = run.seen().iter().find_map(|event| match &event.data {
        Data::QuestionWithdrawn { id, why } if *id == question.id => Some(why.clone()),
        _ => None,
    });
    assert!(withdrawn.is_some_and(|why| why.contains("takes no text")), "{:#?}", run.seen());
    run.chooses(&again, "yes").await;
    let execution = run.ends().await;
    assert_eq!(execution.output, Some(json!("permitted")), "{execution:#?}");
    close(directory, up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_stalls_is_looked_at_by_a_person_and_goes_on() {
    let script: Vec<(&str, &str)> =
        [("rest", "!gate\nawake")].into_iter().chain(WORKING.iter().copied()).collect();
    let (directory, up) = company(&script).await;
    let client = &up.user().client;
    let impatient = json!({"spawn": {"type": "fake", "stallSeconds": 1}});
    let impatient: PresetRequest = serde_json::from_value(impatient).expect("it is one");
    client.put_preset("impatient", &impatient).await.expect("a preset");
    let steps = team("    - {type: assign, role: sleeper, task: rest}").replace(
        "    guest:",
        "    sleeper: {preset: impatient, managed: true, reportsTo: lead}\n    guest:",
    );
    let mut run = FollowedRun::start(client, &steps, json!({})).await;
    let question = run.asks_user().await;
    assert_eq!(question.kind, QuestionKind::Attention, "{question:#?}");
    let answer = ExecutionAnswer {
        question_id: Some(question.id.clone()),
        text: Some("go on".into()),
        ..ExecutionAnswer::default()
    };
    for question_id in [answer.question_id.clone(), None] {
        let answer = ExecutionAnswer { question_id, ..answer.clone() };
        let refused = run.client.answer_execution(&run.id, &answer).await.expect_err("nothing is asked");
        assert_eq!(refused.code, Code::Conflict);
    }
    let agent = question.agent_id.expect("whose it is");
    up.user().follow(agent).await.press(&["ctrl-g"]).await;
    let execution = run.ends().await;
    assert_eq!(execution.output, Some(json!("awake")), "{execution:#?}");
    close(directory, up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_leaves_nothing_to_do_for_an_agent_of_others() {
    let (directory, up) = company(WORKING).await;
    let mut visitor = visitor(&up).await;
    let own = visitor.tell("do gate && say my own").await;
    visitor.becomes(AgentStatus::Busy).await;
    let steps = team("    - {type: assign, role: guest, task: greet}");
    let mut run = FollowedRun::start(&up.user().client, &steps, json!({})).await;
    run.event("the task to be sent", |data| matches!(data, Data::MessageSent { .. }).then_some(())).await;
    let message = until("the task to wait behind the other message", PATIENCE, async || {
        let messages = visitor.messages().await;
        let task = messages.iter().find(|message| message.content.contains("greet"));
        task.map(|task| task.id.clone()).ok_or(messages)
    })
    .await;
    run.client.cancel_execution(&run.id).await.expect("a run can be cancelled");
    run.ends().await;
    let messages = visitor.messages().await;
    let task = messages.iter().find(|sent| sent.id == message).expect("it stays in the conversation");
    assert_eq!(task.state, Some(MessageState::Failed), "{task:#?}");
    visitor.press(&["ctrl-g"]).await;
    assert_eq!(visitor.answer_to(&own).await.content, "my own");
    assert_eq!(visitor.say("greet me").await, "hello");
    let answers = visitor.messages().await.iter().filter(|said| said.in_reply_to.is_some()).count();
    assert_eq!(answers, 2, "and nothing for the run");
    visitor.stop().await;
    close(directory, up).await;
}
