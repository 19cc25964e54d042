use std::collections::BTreeMap;

use parallax_api::message::Answers;
use parallax_api::{AttentionKind, AttentionOption, AttentionQuestion, TerminalSize};
use parallax_profile::{DialogOption, TextEntry};

use super::entry::{ECHO_TIMEOUT, ENTER_DELAY, LOGIN_DELAY, OPEN_DELAY};
use super::*;

fn option(id: &str, keys: &str, selected: Option<bool>) -> DialogOption {
    DialogOption { id: id.into(), label: id.into(), keys: vec![keys.into()], selected, ..Default::default() }
}

fn question(id: &str, multiple: bool, options: &[&str]) -> AttentionQuestion {
    let options = options.iter().map(|id| AttentionOption {
        id: (*id).into(),
        label: (*id).into(),
        ..Default::default()
    });
    AttentionQuestion {
        id: id.into(),
        text: format!("Which {id}?"),
        header: None,
        multiple,
        options: options.collect(),
        free_text: true,
    }
}

fn pane(text: &str, options: Vec<DialogOption>) -> AttentionRequest {
    let questions =
        vec![question("colour", false, &["red", "blue"]), question("size", true, &["small", "large"])];
    AttentionRequest { options, questions, ..AttentionRequest::new(AttentionKind::Question, text) }
}

fn begin(request: AnswerRequest, needed: &AttentionRequest, now: Instant) -> DialogAnswer {
    let (reply, _) = oneshot::channel();
    DialogAnswer::new(request, Some(needed), reply, now).map_err(|(problem, _)| problem).expect("it fits")
}

fn step(answer: &mut DialogAnswer, needed: &AttentionRequest, now: Instant) -> Option<String> {
    let screen = Screen::new(TerminalSize { cols: 40, rows: 6 }, 0);
    typed(answer, needed, &screen, now)
}

fn typed(
    answer: &mut DialogAnswer,
    needed: &AttentionRequest,
    screen: &Screen,
    now: Instant,
) -> Option<String> {
    let writes = answer.step(Some(needed), screen, now).ok()?;
    assert!(answer.deadline() > now, "the host would not sleep");
    Some(writes.iter().map(|write| String::from_utf8_lossy(write).into_owned()).collect())
}

#[test]
fn a_tick_is_pressed_once() {
    let now = Instant::now();
    let shown = |selected| {
        pane("Which size?", vec![option("small", "1", Some(false)), option("large", "2", Some(selected))])
    };
    let mut answer = begin(AnswerRequest::option("large"), &shown(false), now);
    assert_eq!(step(&mut answer, &shown(false), now).as_deref(), Some("2"));
    assert_eq!(step(&mut answer, &shown(false), now).as_deref(), Some(""), "it has not been painted yet");
    assert_eq!(step(&mut answer, &shown(true), now), None, "it is answered");
}

#[test]
fn several_questions_are_answered_in_one_call() {
    let now = Instant::now();
    let answers = BTreeMap::from([
        ("colour".to_owned(), Answers::One("blue".into())),
        ("size".to_owned(), Answers::Several(vec!["large".into()])),
    ]);
    let request = AnswerRequest { answers, ..AnswerRequest::default() };
    let first = pane("Which colour?", vec![option("red", "1", None), option("blue", "2", None)]);
    let second = |small, large| {
        pane(
            "Which size?",
            vec![
                option("small", "1", Some(small)),
                option("large", "2", Some(large)),
                option("submit", "9", None),
            ],
        )
    };
    let review =
        pane("Review your answers", vec![option("submit-answers", "1", None), option("cancel", "2", None)]);
    let mut answer = begin(request, &first, now);
    assert_eq!(step(&mut answer, &first, now).as_deref(), Some("2"));
    assert_eq!(step(&mut answer, &second(true, false), now).as_deref(), Some("1"), "unticked");
    assert_eq!(step(&mut answer, &second(false, false), now).as_deref(), Some("2"));
    assert_eq!(step(&mut answer, &second(false, true), now).as_deref(), Some("9"));
    assert_eq!(step(&mut answer, &review, now).as_deref(), Some("1"));
    assert!(answer.step(None, &Screen::new(TerminalSize::default(), 0), now).is_err(), "it is over");
}

#[test]
fn a_list_is_scrolled_to_what_it_does_not_show() {
    let now = Instant::now();
    let both = Answers::Several(vec!["small".into(), "large".into()]);
    let red = Answers::One("red".into());
    let answers = BTreeMap::from([("size".to_owned(), both), ("colour".to_owned(), red)]);
    let request = AnswerRequest { answers, ..AnswerRequest::default() };
    let hidden = |id: &str| DialogOption { id: id.into(), label: id.into(), ..Default::default() };
    let view = |options: Vec<DialogOption>| AttentionRequest {
        scroll: vec!["down".into()],
        ..pane("Which size?", options)
    };
    let top = |ticked| view(vec![option("small", "1", Some(ticked)), hidden("large")]);
    let below = |ticked| view(vec![option("large", "2", Some(ticked)), hidden("small")]);
    let end = view(vec![option("done", "9", None), hidden("small"), hidden("large")]);
    let mut answer = begin(request, &top(false), now);
    let down = Some("\u{1b}[B");
    assert_eq!(step(&mut answer, &top(false), now).as_deref(), Some("1"));
    assert_eq!(step(&mut answer, &top(true), now).as_deref(), down);
    assert_eq!(step(&mut answer, &below(false), now).as_deref(), Some("2"));
    assert_eq!(step(&mut answer, &below(true), now).as_deref(), down, "what was ticked stays ticked");
    assert_eq!(step(&mut answer, &end, now).as_deref(), Some("9"));
}

#[test]
fn own_words_are_no_option() {
    let before = vec!["3".into()];
    let entry = TextEntry { before, in_list: false, after: vec!["enter".into()], waits_for_echo: false };
    let options = vec![option("yes", "1", None), option("tell-what-to-change", "3", None)];
    let needed = AttentionRequest { takes_text: Some(entry), ..pane("Go on?", options) };
    assert!(check(&AnswerRequest::option("tell-what-to-change"), &needed).is_err());
    let now = Instant::now();
    let mut answer = begin(AnswerRequest::text("smaller"), &needed, now);
    assert_eq!(step(&mut answer, &needed, now).as_deref(), Some("3smaller\r"));
    let typed_in = AttentionRequest { takes_text: None, ..needed };
    assert_eq!(step(&mut answer, &typed_in, now).as_deref(), Some(""), "the words stand there");
}

#[test]
fn a_digit_is_no_choice() {
    let after = vec!["enter".into()];
    let entry = TextEntry { before: Vec::new(), in_list: true, after, waits_for_echo: false };
    let needed =
        AttentionRequest { takes_text: Some(entry), ..pane("How many?", vec![option("one", "1", None)]) };
    let mut answer = begin(AnswerRequest::text("1"), &needed, Instant::now());
    assert_eq!(step(&mut answer, &needed, Instant::now()).as_deref(), Some("1 \r"));
}

#[test]
fn answers_must_fit_the_questions() {
    let needed = pane("Which colour?", vec![option("red", "1", None)]);
    for (id, given) in
        [("form", vec!["red"]), ("size", vec!["small", "huge"]), ("colour", vec!["red", "blue"])]
    {
        let given = Answers::Several(given.into_iter().map(String::from).collect());
        let answers = BTreeMap::from([(id.to_owned(), given)]);
        let request = AnswerRequest { answers, ..AnswerRequest::default() };
        assert!(check(&request, &needed).is_err(), "{id}");
    }
}

#[test]
fn a_text_is_entered_when_it_is_to_be_seen() {
    let asked = AttentionRequest {
        takes_text: Some(TextEntry {
            before: vec![],
            in_list: false,
            after: vec!["enter".into()],
            waits_for_echo: true,
        }),
        ..AttentionRequest::new(AttentionKind::Login, "Enter a key\nThe key is kept.")
    };
    let size = TerminalSize { cols: 20, rows: 6 };
    let key = "an-invented-key-0123456789";
    let now = Instant::now();
    let later = now + ECHO_TIMEOUT;
    // What the screen shows, and what is pressed at once, a moment later, a second later, and a moment after that.
    for (shown, pressed) in [
        ("", ["", "", key, ""]),
        (key, ["", "\r", "", ""]),
        ("key: ***************************", ["", "\r", "", ""]),
        ("ey-0123456789", ["", "\r", "", ""]),
        ("27 characters", ["", "", "", "\r"]),
    ] {
        let mut screen = Screen::new(size, 0);
        let request = AnswerRequest { text: Some(key.into()), ..AnswerRequest::default() };
        let mut answer = begin(request, &asked, now);
        assert_eq!(typed(&mut answer, &asked, &screen, now).as_deref(), Some(key), "{shown}");
        screen.feed(shown.as_bytes());
        let times = [now, now + LOGIN_DELAY, later, later + LOGIN_DELAY];
        let found = times.map(|now| typed(&mut answer, &asked, &screen, now).unwrap_or_default());
        assert_eq!(found, pressed, "{shown}");
    }
    let screen = Screen::new(size, 0);
    let mut answer = begin(AnswerRequest { text: Some(key.into()), ..AnswerRequest::default() }, &asked, now);
    typed(&mut answer, &asked, &screen, now);
    let other = AttentionRequest::new(AttentionKind::Permission, "May it run this?");
    assert_eq!(typed(&mut answer, &other, &screen, later), None, "nothing is entered into another dialog");
}

#[test]
fn a_text_is_typed_once_its_entry_is_open() {
    let entry = TextEntry {
        before: vec!["down".into()],
        in_list: false,
        after: vec!["enter".into()],
        waits_for_echo: true,
    };
    let asked = AttentionRequest {
        takes_text: Some(entry),
        ..AttentionRequest::new(AttentionKind::Question, "Which number?")
    };
    let request = AnswerRequest { text: Some("1".into()), ..AnswerRequest::default() };
    let (mut screen, now) = (Screen::new(TerminalSize { cols: 20, rows: 6 }, 0), Instant::now());
    screen.feed(b"1. Ten\r\n2. Twenty\r\n3. Type something");
    let mut answer = begin(request, &asked, now);
    let mut press = |screen: &Screen, after: Duration| {
        typed(&mut answer, &asked, screen, now + after).unwrap_or_default()
    };
    assert_eq!(press(&screen, Duration::ZERO), "\x1b[B");
    assert_eq!(press(&screen, OPEN_DELAY), "", "it is not open");
    assert_eq!(press(&screen, RETRY_INTERVAL), "\x1b[B", "the key was lost");
    screen.feed(b"\r\x1b[K> 3. ");
    let open = RETRY_INTERVAL + OPEN_DELAY;
    assert_eq!(press(&screen, open), "1");
    assert_eq!(press(&screen, open), "", "it is not to be seen");
    screen.feed(b"1");
    assert_eq!(press(&screen, open), "");
    assert_eq!(press(&screen, open + ENTER_DELAY), "\r");
}

#[test]
fn nothing_is_typed_where_the_dialog_is_not() {
    let entry = |before: &[&str]| TextEntry {
        before: before.iter().map(|key| (*key).to_owned()).collect(),
        in_list: false,
        after: vec!["enter".into()],
        waits_for_echo: true,
    };
    let now = Instant::now();
    for before in [&[][..], &["down"]] {
        let asked = AttentionRequest {
            takes_text: Some(entry(before)),
            ..AttentionRequest::new(AttentionKind::Question, "Which number?")
        };
        let hidden = AttentionRequest { on_screen: false, ..asked.clone() };
        let request = AnswerRequest { text: Some("seven".into()), ..AnswerRequest::default() };
        let mut screen = Screen::new(TerminalSize { cols: 20, rows: 6 }, 0);
        let mut answer = begin(request, &asked, now);
        assert!(!typed(&mut answer, &asked, &screen, now).unwrap().is_empty());
        screen.feed(b"> seven");
        for wait in [OPEN_DELAY, ECHO_TIMEOUT, RETRY_INTERVAL] {
            assert_eq!(typed(&mut answer, &hidden, &screen, now + wait).as_deref(), Some(""), "{before:?}");
        }
        assert_eq!(
            answer.step(None, &screen, now + RETRY_INTERVAL * 2).err().map(|done| done.is_ok()),
            Some(true)
        );
    }
}

#[test]
fn the_host_sleeps_while_a_dialog_is_off_the_screen() {
    let now = Instant::now();
    let asked = pane("Which colour?", vec![option("red", "1", None)]);
    let hidden = AttentionRequest { on_screen: false, ..asked.clone() };
    let mut answer = begin(AnswerRequest::option("red"), &asked, now);
    assert_eq!(step(&mut answer, &asked, now).as_deref(), Some("1"));
    assert_eq!(step(&mut answer, &hidden, now + RETRY_INTERVAL * 2).as_deref(), Some(""));
}

#[test]
fn an_answer_is_not_pressed_into_another_question() {
    let now = Instant::now();
    let ask = |text: &str| AttentionRequest {
        options: vec![option("yes", "1", None), option("no", "2", None)],
        ..AttentionRequest::new(AttentionKind::Permission, text)
    };
    let hidden = |text| AttentionRequest { on_screen: false, ..ask(text) };
    let screen = Screen::new(TerminalSize { cols: 40, rows: 6 }, 0);
    let mut answer = begin(AnswerRequest::option("yes"), &hidden("rm a?"), now);
    assert_eq!(step(&mut answer, &hidden("rm a?"), now).as_deref(), Some(""));
    let refused = answer.step(Some(&ask("rm b?")), &screen, now).expect_err("it is over");
    assert_eq!(refused.expect_err("refused").code, Code::QuestionChanged);
    let mut answer = begin(AnswerRequest::option("yes"), &hidden("rm a?"), now);
    assert_eq!(step(&mut answer, &ask("rm a?"), now).as_deref(), Some("1"), "as it was published");
    assert_eq!(step(&mut answer, &hidden("rm a?"), now).as_deref(), Some(""));
    let again = answer.step(Some(&ask("rm a?")), &screen, now + RETRY_INTERVAL * 2);
    assert!(matches!(again, Err(Ok(()))), "the same once more is another one: {again:?}");
}
