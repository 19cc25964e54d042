//! The rules of a turn, one by one.

use super::*;

const NOW: Duration = Duration::from_secs(1);

fn over(outcome: Outcome) -> DetectorEvent {
    DetectorEvent::TurnOver { outcome }
}

fn taken(text: Option<&str>) -> DetectorEvent {
    DetectorEvent::PromptTaken { text: text.map(Into::into) }
}

#[test]
fn one_prompt_one_end() {
    let mut turn = Turn::default();
    assert_eq!(turn.begin(None), [taken(None)]);
    assert_eq!(turn.begin(Some("hi".into())), [taken(Some("hi"))], "the text may follow");
    assert_eq!(turn.begin(None), [], "work goes on");
    turn.close(Outcome::Completed, Duration::ZERO, NOW);
    turn.answer("hello".into(), None, Source::Hook);
    assert_eq!(turn.over(Outcome::Completed), [over(Outcome::Completed)]);
    assert_eq!(turn.tick(NOW, None), [], "it is over once");
}

#[test]
fn idle_before_the_prompt_is_no_end() {
    let mut turn = Turn::default();
    turn.begin(None);
    turn.close(Outcome::Interrupted, Duration::ZERO, NOW);
    turn.goes_on();
    assert_eq!(turn.tick(NOW, None), [], "it starts up");
    turn.begin(Some("hi".into()));
    turn.close(Outcome::Interrupted, Duration::ZERO, NOW);
    turn.goes_on();
    assert_eq!(turn.tick(NOW, None), [over(Outcome::Interrupted)], "what came to its prompt was interrupted");
}

#[test]
fn an_end_that_is_told_late_is_not_told_twice() {
    let mut turn = Turn::default();
    turn.begin(None);
    turn.close(Outcome::Completed, Duration::ZERO, NOW);
    assert_eq!(turn.tick(NOW, None), [over(Outcome::Completed)]);
    assert_eq!(turn.over(Outcome::Completed), []);
}

#[test]
fn an_end_that_is_told_in_the_next_turn_is_not_its_end() {
    let mut turn = Turn::default();
    turn.begin(Some("one".into()));
    turn.close(Outcome::Failed, Duration::ZERO, NOW);
    assert_eq!(turn.tick(NOW, None), [over(Outcome::Failed)]);
    turn.begin(None);
    assert!(turn.take_as_of_before(false), "what the first said");
    assert!(turn.take_as_of_before(true), "how it ended");
    assert!(!turn.take_as_of_before(true), "it ends once");
    assert_eq!(turn.over(Outcome::Completed), [over(Outcome::Completed)]);

    turn.begin(None);
    turn.close(Outcome::Failed, Duration::ZERO, NOW);
    turn.tick(NOW, None);
    turn.begin(None);
    turn.begin(Some("the next".into()));
    assert!(!turn.take_as_of_before(true), "what follows a prompt is of its turn");

    turn.close(Outcome::Failed, Duration::ZERO, NOW);
    assert_eq!(turn.begin(None), [over(Outcome::Failed), taken(None)], "one that was queued in the CLI");
    assert!(turn.take_as_of_before(true), "the end that the first was closing without");

    turn.may_be_over(Outcome::Completed, NOW);
    turn.close(Outcome::Completed, Duration::ZERO, NOW);
    turn.tick(NOW, None);
    turn.begin(None);
    assert!(!turn.take_as_of_before(true), "the end of the first was told");
}

#[test]
fn what_is_told_before_a_late_interruption_was_said_in_that_turn() {
    let mut turn = Turn::default();
    turn.begin(Some("one".into()));
    turn.close(Outcome::Interrupted, Duration::ZERO, NOW);
    assert_eq!(turn.tick(NOW, None), [over(Outcome::Interrupted)]);
    turn.begin(None);
    turn.say("about one".into(), None, Source::SessionFile);
    assert!(turn.take_interruption_as_of_before(NOW));
    assert_eq!(turn.over(Outcome::Completed), [over(Outcome::Completed)], "it has said nothing");
}

#[test]
fn each_queued_message_has_its_own_end() {
    let mut turn = Turn::default();
    turn.begin(Some("one".into()));
    turn.begin(Some("two".into()));
    assert_eq!(turn.over(Outcome::Completed), [over(Outcome::Completed)]);
    assert_eq!(turn.over(Outcome::Completed), [over(Outcome::Completed)]);
}

#[test]
fn the_last_words_are_the_answer_when_none_is_told() {
    let mut turn = Turn::default();
    turn.begin(None);
    let mut say = |text: &str, id: &str| turn.say(text.into(), Some(id.into()), Source::SessionFile);
    assert_eq!(say("I will look", "a"), None);
    let first = DetectorEvent::Said { text: "I will look".into(), id: Some("a".into()) };
    assert_eq!(say("It is", "b"), Some(first), "what was said before is told when more is said");
    assert_eq!(say("It is 42", "b"), None);
    let (text, id) = ("It is 42".into(), Some("b".into()));
    let answer = DetectorEvent::Answer { text, id, source: Source::SessionFile };
    assert_eq!(turn.over(Outcome::Interrupted), [answer, over(Outcome::Interrupted)]);
}

#[test]
fn a_prompt_that_is_told_after_the_end_begins_nothing() {
    let mut turn = Turn::default();
    turn.begin(None);
    assert_eq!(turn.over(Outcome::Failed), [over(Outcome::Failed)]);
    assert_eq!(turn.begin(Some("hi".into())), [taken(Some("hi"))]);
    assert!(!turn.is_running());
    assert_eq!(turn.begin(Some("next".into())), [taken(None), taken(Some("next"))]);
}

#[test]
fn a_new_turn_ends_the_one_that_waits() {
    let mut turn = Turn::default();
    turn.begin(None);
    turn.close(Outcome::Completed, Duration::ZERO, NOW);
    assert_eq!(turn.begin(None), [over(Outcome::Completed), taken(None)]);
}

#[test]
fn a_reported_end_may_be_taken_back() {
    let mut turn = Turn::default();
    turn.begin(Some("work".into()));
    turn.may_be_over(Outcome::Completed, NOW);
    assert_eq!(turn.another_end(true), [], "a hook sent the agent back to work");
    turn.may_be_over(Outcome::Completed, NOW);
    assert_eq!(
        turn.another_end(false),
        [over(Outcome::Completed), taken(None)],
        "the end of the message after it, queued in the CLI"
    );
}

#[test]
fn the_answer_of_the_turn_before_is_not_an_answer() {
    let mut turn = Turn::default();
    turn.begin(None);
    turn.say("Paris".into(), None, Source::SessionFile);
    turn.answer("Paris".into(), None, Source::Hook);
    turn.over(Outcome::Completed);
    assert_eq!(turn.say("Paris".into(), None, Source::SessionFile), None, "read late");
    turn.begin(None);
    turn.answer("Paris".into(), None, Source::Hook);
    assert!(turn.is_held());
    let empty = DetectorEvent::Answer { text: String::new(), id: None, source: Source::Hook };
    assert_eq!(turn.over(Outcome::Completed), [empty, over(Outcome::Completed)]);
}

#[test]
fn an_empty_answer_is_one() {
    let mut turn = Turn::default();
    turn.begin(None);
    let answer = |text: &str| {
        [
            DetectorEvent::Answer { text: text.into(), id: None, source: Source::Hook },
            over(Outcome::Completed),
        ]
    };
    assert_eq!(turn.answer(String::new(), None, Source::Hook), None);
    assert!(turn.is_held(), "the session file may have words");
    assert_eq!(turn.over(Outcome::Completed), answer(""));
    turn.begin(None);
    turn.answer(String::new(), None, Source::Hook);
    turn.say("Looked at it.".into(), None, Source::SessionFile);
    assert_eq!(turn.over(Outcome::Completed), answer("Looked at it."), "what was said stands");
}
