//! Answers a question by pressing keys, and only while the dialog is on the screen: otherwise they would land in the
//! composer.

mod entry;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use parallax_api::message::AnswerRequest;
use parallax_api::{AttentionQuestion, Code, Problem};
use parallax_profile::{AttentionRequest, DialogOption};
use parallax_screen::{Modes, Screen, keys};
use tokio::sync::oneshot;

use self::entry::{Entry, EntryStep, PressedText};

/// How long the dialog may take to appear on the screen and, after each key, to change.
const DIALOG_TIMEOUT: Duration = Duration::from_secs(8);
/// A dialog that has just been painted may not read keys yet (Claude Code drops them). When the same dialog is still on
/// the screen after this time the keys were lost and are pressed again.
const RETRY_INTERVAL: Duration = Duration::from_millis(1200);
/// When the Enter behind a text is pressed again.
const ENTER_INTERVAL: Duration = Duration::from_millis(2500);
/// How far a list is scrolled for one answer, in keys.
const MAX_SCROLLS: u32 = 60;
/// What ends a dialog in which several options were ticked, or several questions answered.
const SUBMIT: [&str; 4] = ["submit", "next", "done", REVIEW];
/// The option of the review that follows.
const REVIEW: &str = "submit-answers";

/// An answer that is being typed into a dialog.
pub struct DialogAnswer {
    request: AnswerRequest,
    reply: oneshot::Sender<Result<(), Problem>>,
    /// The dialog as it was when the answer began.
    question: AttentionRequest,
    pressed: Option<Pressed>,
    entry: Option<Entry>,
    /// Options that were seen ticked as they should be, by their question: they may have been scrolled away since.
    ticked: HashSet<(String, String)>,
    scrolls: u32,
    until: Instant,
}

/// What was pressed last.
struct Pressed {
    at: Instant,
    /// The dialog and the option: the same again is a retry.
    what: String,
    is_text: bool,
    /// What ends a text.
    enter: Vec<Vec<u8>>,
}

/// Keys to press, and what they are for.
struct Press {
    what: String,
    is_scroll: bool,
    writes: Vec<Vec<u8>>,
    text: Option<PressedText>,
}

impl DialogAnswer {
    /// Starts when there is a question that the request fits; otherwise gives the reply back with the reason.
    pub fn new(
        request: AnswerRequest,
        needed: Option<&AttentionRequest>,
        reply: oneshot::Sender<Result<(), Problem>>,
        now: Instant,
    ) -> Result<Self, (Problem, oneshot::Sender<Result<(), Problem>>)> {
        let Some(needed) = needed else {
            return Err((
                Problem::new(Code::Conflict, "nothing is asked; `attention` tells when something is"),
                reply,
            ));
        };
        match check(&request, needed) {
            Ok(()) => {
                let (question, until) = (needed.clone(), now + DIALOG_TIMEOUT);
                Ok(Self {
                    request,
                    reply,
                    question,
                    pressed: None,
                    entry: None,
                    ticked: HashSet::new(),
                    scrolls: 0,
                    until,
                })
            }
            Err(problem) => Err((problem, reply)),
        }
    }

    /// When [`DialogAnswer::step`] is due without an event.
    pub fn deadline(&self) -> Instant {
        self.retry_at().map_or(self.until, |retry| retry.min(self.until))
    }

    /// Returns the keys to press now or, as an error, the result when it is over.
    pub fn step(
        &mut self,
        needed: Option<&AttentionRequest>,
        screen: &Screen,
        now: Instant,
    ) -> Result<Vec<Vec<u8>>, Result<(), Problem>> {
        if let Some(entry) = self.entry.as_mut().filter(|_| now < self.until) {
            if needed.is_some_and(|needed| !entry.is_of(needed)) {
                // What would be entered now is an answer to something else.
                return Err(Ok(()));
            }
            match entry.step(screen, now) {
                EntryStep::Wait => return Ok(Vec::new()),
                EntryStep::Type(writes) => return Ok(writes),
                EntryStep::Enter(writes) => {
                    self.entry = None;
                    self.until = now + DIALOG_TIMEOUT;
                    self.pressed = self.pressed.take().map(|pressed| Pressed { at: now, ..pressed });
                    return Ok(writes);
                }
                EntryStep::Reopen => (self.entry, self.pressed) = (None, None),
            }
        }
        let Some(needed) = needed.filter(|needed| !self.is_answered(needed)) else {
            // Gone or another dialog: this one was answered, by us or by a person at the terminal.
            return Err(Ok(()));
        };
        if now >= self.until {
            let why = if self.pressed.is_some() {
                "the question is still there after the keys were pressed; look at the agent's screen"
            } else {
                "the question did not come on the screen; look at the agent's screen"
            };
            return Err(Err(Problem::new(Code::Timeout, why)));
        }
        if !needed.on_screen {
            return Ok(Vec::new());
        }
        // A choice of own words has them as its label once they stand there: it is not looked for again.
        let is_typed = |pressed: &&mut Pressed| pressed.is_text && pressed.what == text_of(needed);
        if let Some(pressed) = self.pressed.as_mut().filter(is_typed) {
            // An Enter that came too soon after it became a line break.
            let is_due = self.question.kind.is_question() && now >= pressed.at + ENTER_INTERVAL;
            if !is_due {
                return Ok(Vec::new());
            }
            pressed.at = now;
            return Ok(pressed.enter.clone());
        }
        // Computed each time: the keys depend on where the dialog's cursor stands.
        self.note_ticks(needed);
        let press = press(&self.request, needed, &self.ticked, &screen.modes()).map_err(Err)?;
        let is_text = press.text.is_some();
        if let Some(pressed) = &self.pressed
            && pressed.what == press.what
            && now < pressed.at + RETRY_INTERVAL
        {
            return Ok(Vec::new());
        }
        self.scrolls += u32::from(press.is_scroll);
        if self.scrolls > MAX_SCROLLS {
            let why = "the option did not come into view; look at the agent's screen";
            return Err(Err(Problem::new(Code::Timeout, why)));
        }
        // Each step of a longer answer has its own time.
        if self.pressed.as_ref().is_none_or(|pressed| pressed.what != press.what) {
            self.until = now + DIALOG_TIMEOUT;
        }
        let enter = press.text.as_ref().map(|text| text.enter.clone()).unwrap_or_default();
        self.pressed = Some(Pressed { at: now, what: press.what, is_text, enter });
        self.entry = press
            .text
            .filter(|text| !text.enter.is_empty())
            .map(|text| Entry::begin(text, needed, screen, now));
        Ok(press.writes)
    }

    /// Notes which options of the question on the screen are ticked as the answer wants them.
    fn note_ticks(&mut self, needed: &AttentionRequest) {
        let question = needed.questions.iter().find(|question| question.text == needed.text);
        let Some(answers) = question.and_then(|question| self.request.answers.get(&question.id)) else {
            return;
        };
        let chosen = answers.as_slice();
        for option in &needed.options {
            if option.selected.is_some_and(|selected| selected == is_among(option, chosen)) {
                self.ticked.insert((needed.text.clone(), option.id.clone()));
            }
        }
    }

    /// Whether the dialog on the screen shows that the answer was taken.
    fn is_answered(&self, needed: &AttentionRequest) -> bool {
        if self.pressed.is_none() {
            return false;
        }
        if !self.request.answers.is_empty() {
            let is_part = needed.questions == self.question.questions;
            return !is_part && submit(needed).is_none();
        }
        // What was ticked is shown once more before it counts.
        if self.is_submitting() && submit(needed).is_some_and(|option| option.id == REVIEW) {
            return false;
        }
        let ticked = |request: &AttentionRequest| {
            let option = self.request.option.as_ref().and_then(|option| find(request, option));
            option.and_then(|option| option.selected)
        };
        needed.text != self.question.text || ticked(needed) != ticked(&self.question)
    }

    /// Whether a list in which several options may be ticked is being submitted.
    fn is_submitting(&self) -> bool {
        self.request.option.as_deref().is_some_and(|option| SUBMIT.contains(&option) && option != REVIEW)
    }

    /// A text is not typed again once it was entered, only its Enter is pressed: it is unknown which part was read.
    fn retry_at(&self) -> Option<Instant> {
        if let Some(entry) = &self.entry {
            return Some(entry.next_at());
        }
        let wait = |pressed: &Pressed| match pressed.is_text {
            false => Some(RETRY_INTERVAL),
            true => self.question.kind.is_question().then_some(ENTER_INTERVAL),
        };
        self.pressed.as_ref().and_then(|pressed| Some(pressed.at + wait(pressed)?))
    }

    /// Answers the request.
    pub fn finish(self, result: Result<(), Problem>) {
        // A caller that no longer waits sees the result in `attention`.
        drop(self.reply.send(result));
    }
}

/// Whether the request fits the question.
fn check(request: &AnswerRequest, needed: &AttentionRequest) -> Result<(), Problem> {
    let ways = [request.option.is_some(), request.text.is_some(), !request.answers.is_empty()];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        return Err(Problem::invalid("option", "give one of `option`, `text` and `answers`"));
    }
    if request.answers.is_empty() {
        let fits = || press(request, needed, &HashSet::new(), &Modes::default()).map(drop);
        return if needed.on_screen { fits() } else { Ok(()) };
    }
    let ids: Vec<&str> = needed.questions.iter().map(|question| question.id.as_str()).collect();
    if let Some(unknown) = request.answers.keys().find(|id| !ids.contains(&id.as_str())) {
        let detail = format!("`{unknown}` is none of the questions: {}", ids.join(", "));
        return Err(Problem::invalid("answers", detail).with("questions", ids));
    }
    for question in &needed.questions {
        let answers = request
            .answers
            .get(&question.id)
            .map(parallax_api::message::Answers::as_slice)
            .unwrap_or_default();
        let is_fit = match answers {
            [] => false,
            [one] => question.free_text || offers(question, one),
            several => question.multiple && several.iter().all(|answer| offers(question, answer)),
        };
        if !is_fit {
            let known: Vec<&str> = question.options.iter().map(|option| option.id.as_str()).collect();
            let how = if question.multiple { "some" } else { "one" };
            let detail = format!("`{}` wants {how} of: {}", question.id, known.join(", "));
            return Err(Problem::invalid("answers", detail).with("options", known));
        }
    }
    Ok(())
}

fn offers(question: &AttentionQuestion, answer: &str) -> bool {
    question.options.iter().any(|option| option.id == answer || option.label == answer)
}

/// The keys of this answer in the dialog as it stands.
fn press(
    request: &AnswerRequest,
    needed: &AttentionRequest,
    ticked: &HashSet<(String, String)>,
    modes: &Modes,
) -> Result<Press, Problem> {
    match (&request.option, &request.text) {
        (Some(option), _) => press_option(option, needed, modes),
        (None, Some(text)) => press_text(text, needed, modes),
        (None, None) => press_part(request, needed, ticked, modes),
    }
}

/// The next keys of an answer to several questions: those of the question on the screen, or what submits them all.
fn press_part(
    request: &AnswerRequest,
    needed: &AttentionRequest,
    ticked: &HashSet<(String, String)>,
    modes: &Modes,
) -> Result<Press, Problem> {
    let question = needed.questions.iter().find(|question| question.text == needed.text);
    let answers = question.and_then(|question| request.answers.get(&question.id));
    let (Some(question), Some(answers)) = (question, answers) else {
        return match submit(needed) {
            Some(submit) => Ok(pressed(needed, submit, modes)),
            None => {
                let what = needed.text.clone();
                Ok(Press { what, is_scroll: false, writes: Vec::new(), text: None })
            }
        };
    };
    let chosen = answers.as_slice();
    if let [one] = chosen
        && !offers(question, one)
    {
        return press_text(one, needed, modes);
    }
    if !question.multiple {
        return press_option(chosen.first().map_or("", String::as_str), needed, modes);
    }
    let differs =
        |option: &&DialogOption| option.selected.is_some_and(|selected| selected != is_among(option, chosen));
    let is_of_question = |option: &&DialogOption| offers(question, &option.label);
    if let Some(option) = needed.options.iter().filter(is_of_question).find(differs) {
        return Ok(pressed(needed, option, modes));
    }
    let is_unseen = |option: &&DialogOption| {
        option.keys.is_empty()
            && is_among(option, chosen)
            && !ticked.contains(&(needed.text.clone(), option.id.clone()))
    };
    let hidden = needed.options.iter().find(is_unseen).filter(|_| !needed.scroll.is_empty());
    match submit(needed).filter(|_| hidden.is_none()) {
        Some(submit) => Ok(pressed(needed, submit, modes)),
        None if !needed.scroll.is_empty() => Ok(scrolled(needed, modes)),
        None => {
            Err(Problem::new(Code::Timeout, "the dialog shows no way to submit; look at the agent's screen"))
        }
    }
}

fn is_among(option: &DialogOption, answers: &[String]) -> bool {
    answers.iter().any(|answer| option.id == *answer || option.label == *answer)
}

fn press_option(option: &str, needed: &AttentionRequest, modes: &Modes) -> Result<Press, Problem> {
    let review = || submit(needed).filter(|_| SUBMIT.contains(&option));
    let is_multiple = needed.options.iter().any(|option| option.selected.is_some());
    if find(needed, option).is_none() && is_multiple && SUBMIT.contains(&option) && !needed.scroll.is_empty()
    {
        return Ok(scrolled(needed, modes));
    }
    let choice = find(needed, option).or_else(review).ok_or_else(|| {
        let known: Vec<&str> = needed.options.iter().map(|choice| choice.id.as_str()).collect();
        let detail = match known.as_slice() {
            [] => "this question has no options; send `text`".to_owned(),
            known => format!("`{option}` is none of: {}", known.join(", ")),
        };
        Problem::invalid("option", detail).with("options", known)
    })?;
    if needed.takes_text.as_ref().is_some_and(|entry| !entry.before.is_empty() && entry.before == choice.keys)
    {
        let detail = format!("`{option}` is an answer in own words; send them as `text`");
        return Err(Problem::invalid("option", detail));
    }
    if choice.keys.is_empty() {
        return Ok(scrolled(needed, modes));
    }
    Ok(pressed(needed, choice, modes))
}

fn press_text(text: &str, needed: &AttentionRequest, modes: &Modes) -> Result<Press, Problem> {
    let entry = needed.takes_text.as_ref().ok_or_else(|| {
        let known: Vec<&str> = needed.options.iter().map(|choice| choice.id.as_str()).collect();
        Problem::invalid("text", "this question takes no text; send one of `options` as `option`")
            .with("options", known)
    })?;
    let mut writes = keys::encode_all(&entry.before, modes);
    let is_digit = entry.in_list && text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_digit());
    let typed = if is_digit { format!("{text} ") } else { text.to_owned() };
    let typed = if modes.bracketed_paste { keys::paste(&typed) } else { typed.into_bytes() };
    let opens = entry.waits_for_echo && !writes.is_empty();
    if !opens {
        writes.push(typed.clone());
    }
    let mut enter = keys::encode_all(&entry.after, modes);
    if !entry.waits_for_echo {
        writes.append(&mut enter);
    }
    let text = Some(PressedText { text: text.to_owned(), writes: vec![typed], enter, opens });
    Ok(Press { what: text_of(needed), is_scroll: false, writes, text })
}

/// What a text is typed for.
fn text_of(needed: &AttentionRequest) -> String {
    format!("{} text", needed.text)
}

/// Shows more of the list. What it shows now is part of `what`: the same again is a retry.
fn scrolled(needed: &AttentionRequest, modes: &Modes) -> Press {
    let shown = needed.options.iter().filter(|option| !option.keys.is_empty());
    let shown: Vec<&str> = shown.map(|option| option.id.as_str()).collect();
    let what = format!("{} scroll {shown:?} {:?}", needed.text, needed.marked);
    Press { what, is_scroll: true, writes: keys::encode_all(&needed.scroll, modes), text: None }
}

fn pressed(needed: &AttentionRequest, option: &DialogOption, modes: &Modes) -> Press {
    let what = format!("{} {} {:?}", needed.text, option.id, option.selected);
    Press { what, is_scroll: false, writes: keys::encode_all(&option.keys, modes), text: None }
}

fn find<'a>(needed: &'a AttentionRequest, option: &str) -> Option<&'a DialogOption> {
    needed.options.iter().find(|choice| choice.id == option || choice.label == option)
}

fn submit(needed: &AttentionRequest) -> Option<&DialogOption> {
    needed.options.iter().find(|option| SUBMIT.contains(&option.id.as_str()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use parallax_api::message::Answers;
    use parallax_api::{AttentionKind, AttentionOption, TerminalSize};
    use parallax_profile::TextEntry;

    use super::entry::{ECHO_TIMEOUT, ENTER_DELAY, LOGIN_DELAY, OPEN_DELAY};
    use super::*;

    fn option(id: &str, keys: &str, selected: Option<bool>) -> DialogOption {
        DialogOption {
            id: id.into(),
            label: id.into(),
            keys: vec![keys.into()],
            selected,
            ..Default::default()
        }
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
        let review = pane(
            "Review your answers",
            vec![option("submit-answers", "1", None), option("cancel", "2", None)],
        );
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
        let mut answer =
            begin(AnswerRequest { text: Some(key.into()), ..AnswerRequest::default() }, &asked, now);
        typed(&mut answer, &asked, &screen, now);
        let other = AttentionRequest::new(AttentionKind::Permission, "May it run this?");
        assert_eq!(
            typed(&mut answer, &other, &screen, later),
            None,
            "nothing is entered into another dialog"
        );
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
}
