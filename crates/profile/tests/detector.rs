//! The detector told by hand what sessions tell it: reports, hooks, session files, screens, and time.

use std::sync::Arc;
use std::time::Duration;

use parallax_api::{AgentStatus, AttentionKind, TerminalSize};
use parallax_profile::{
    Composer, Detector, DetectorEvent, DetectorInput, Observation, Outcome, Profile, Profiles, Source,
};
use parallax_screen::Screen;
use serde_json::{Value, json};

/// A session in which time passes only when told.
struct Session {
    screen: Screen,
    detector: Detector,
    now: Duration,
    facts: Vec<DetectorEvent>,
    /// Every status there was.
    statuses: Vec<AgentStatus>,
}

const CLAUDE_COMPOSER: &str =
    "\x1b[2J\x1b[H────────────────────────\r\n❯ \r\n────────────────────────\r\n  ? for shortcuts\x1b[2;3H";
const CLAUDE_BUSY: &str = "\x1b[2J\x1b[H✻ Thinking… (2s)\r\n────────────────────────\r\n❯ \r\n────────────────────────\r\n  esc to interrupt\x1b[3;3H";
const CODEX_COMPOSER: &str =
    "\x1b[2J\x1b[H\r\n› \x1b[2mAsk Codex to do anything\x1b[m\r\n\r\n  GPT-6 · ~/dir\x1b[2;3H";
const GEMINI_COMPOSER: &str =
    "\x1b[2J\x1b[H\r\n >   Type your message or @path/to/file\r\n\r\n workspace (/directory)\x1b[2;4H";

impl Session {
    fn new(profile: &str) -> Self {
        Self::of(&Profiles::builtin().get(profile).expect("built in"))
    }

    fn of(profile: &Arc<Profile>) -> Self {
        Self {
            screen: Screen::new(TerminalSize { cols: 80, rows: 24 }, 0),
            detector: Detector::new(Arc::clone(profile)),
            now: Duration::ZERO,
            facts: Vec::new(),
            statuses: vec![AgentStatus::Starting],
        }
    }

    fn signal(&mut self, input: DetectorInput<'_>) {
        self.facts.extend(self.detector.observe(self.now, &self.screen, input));
        let status = self.detector.observation().status;
        if self.statuses.last() != Some(&status) {
            self.statuses.push(status);
        }
    }

    /// The program prints.
    fn prints(&mut self, output: &str) -> &mut Self {
        let fed = self.screen.feed(output.as_bytes());
        for report in &fed.reports {
            self.signal(DetectorInput::Terminal(report));
        }
        self.signal(DetectorInput::Screen);
        self
    }

    /// The program reports a status.
    fn reports(&mut self, status: &str) -> &mut Self {
        self.prints(&format!("\x1b]7501;state={status}\x07"))
    }

    fn hook(&mut self, name: &str, payload: Value) -> &mut Self {
        self.signal(DetectorInput::Hook { name, payload: &payload });
        self
    }

    fn record(&mut self, line: Value) -> &mut Self {
        self.signal(DetectorInput::SessionFile { line: &line });
        self
    }

    /// This process, or the whole machine, stands still: nothing is looked at meanwhile.
    fn stands_still(&mut self, milliseconds: u64) -> &mut Self {
        self.now += Duration::from_millis(milliseconds);
        self
    }

    fn typed(&mut self) -> &mut Self {
        self.signal(DetectorInput::Submitted);
        self
    }

    /// So many milliseconds pass, deadlines met on the way.
    fn passes(&mut self, milliseconds: u64) -> &mut Self {
        let end = self.now + Duration::from_millis(milliseconds);
        while let Some(due) = self.detector.deadline().filter(|due| *due <= end) {
            assert!(due > self.now, "a deadline lies ahead");
            self.now = due;
            self.signal(DetectorInput::Tick);
        }
        self.now = end;
        self
    }

    fn seen(&self) -> &Observation {
        self.detector.observation()
    }

    fn facts(&mut self) -> Vec<DetectorEvent> {
        std::mem::take(&mut self.facts)
    }

    fn ready(profile: &str, composer: &str) -> Self {
        let mut session = Self::new(profile);
        session.prints(composer).reports("idle").passes(1000);
        assert_eq!(session.seen().status, AgentStatus::Ready);
        session.facts();
        session
    }
}

fn taken(text: Option<&str>) -> DetectorEvent {
    DetectorEvent::PromptTaken { text: text.map(Into::into) }
}

fn answer(text: &str, id: Option<&str>) -> DetectorEvent {
    answer_from(Source::SessionFile, text, id)
}

fn answer_from(source: Source, text: &str, id: Option<&str>) -> DetectorEvent {
    DetectorEvent::Answer { text: text.into(), id: id.map(Into::into), source }
}

fn hooked(text: &str) -> DetectorEvent {
    answer_from(Source::Hook, text, None)
}

fn over(outcome: Outcome) -> DetectorEvent {
    DetectorEvent::TurnOver { outcome }
}

#[test]
fn starting_up_is_not_work() {
    let mut codex = Session::new("codex");
    codex.prints(CODEX_COMPOSER).reports("idle").passes(26).reports("working").passes(40).reports("idle");
    assert_eq!(codex.passes(1000).statuses, [AgentStatus::Starting, AgentStatus::Ready]);
    assert_eq!(codex.facts(), []);
}

#[test]
fn a_composer_alone_is_not_ready() {
    let mut codex = Session::new("codex");
    codex.prints(CODEX_COMPOSER).passes(3000);
    assert_eq!(codex.seen().status, AgentStatus::Starting);
    assert_eq!(codex.seen().composer, Composer::Empty);
}

#[test]
fn idle_without_a_composer_is_not_ready() {
    let mut claude = Session::new("claude");
    claude.prints("Loading").reports("idle").passes(3000);
    assert_eq!(claude.seen().status, AgentStatus::Starting);
}

#[test]
fn a_moment_between_two_messages_is_not_the_end() {
    let mut gemini = Session::new("gemini");
    gemini.prints(GEMINI_COMPOSER).prints("\x1b]0;◇  Ready (dir)\x07").passes(4000);
    gemini.prints("\x1b]0;✦  Working… (dir)\x07").passes(1000).prints("\x1b]0;◇  Ready (dir)\x07").passes(40);
    gemini.prints("\x1b]0;✦  Working… (dir)\x07").passes(1000);
    assert_eq!(gemini.statuses, [AgentStatus::Starting, AgentStatus::Ready, AgentStatus::Busy]);
    assert_eq!(gemini.facts(), [taken(None)]);
}

#[test]
fn a_turn_told_by_hooks_is_told_once() {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude
        .typed()
        .hook("UserPromptSubmit", json!({"prompt": "hi", "session_id": "s"}))
        .reports("working")
        .passes(500);
    claude.hook("Stop", json!({"last_assistant_message": "hello"})).passes(80).reports("done").passes(5000);
    let session = DetectorEvent::Session { id: "s".into() };
    let expected = [session, taken(None), taken(Some("hi")), hooked("hello"), over(Outcome::Completed)];
    assert_eq!(claude.facts(), expected);
    assert_eq!(claude.seen().status, AgentStatus::Ready);
    // It goes on by itself (a timer, a task that has ended), which is no prompt.
    claude.reports("working").passes(500);
    claude.hook("Stop", json!({"last_assistant_message": "later"})).passes(80).reports("done").passes(5000);
    assert_eq!(claude.facts(), [taken(None), hooked("later"), over(Outcome::Completed)]);
}

#[test]
fn a_hook_of_the_users_own_sends_the_agent_back_to_work() {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude.typed().reports("working").prints(CLAUDE_BUSY).passes(500);
    claude.hook("Stop", json!({"last_assistant_message": "first", "stop_hook_active": false})).passes(3000);
    assert_eq!(claude.facts(), [taken(None), hooked("first")], "it works on");
    claude.hook("Stop", json!({"last_assistant_message": "final", "stop_hook_active": true})).passes(80);
    claude.prints(CLAUDE_COMPOSER).reports("done").passes(1000);
    assert_eq!(claude.facts(), [hooked("final"), over(Outcome::Completed)]);
}

#[test]
fn a_task_in_the_background_is_no_turn() {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude.typed().reports("working").prints(CLAUDE_BUSY).passes(500);
    let stop =
        json!({"last_assistant_message": "started", "stop_hook_active": false, "background_tasks": [{}]});
    claude.hook("Stop", stop).prints(CLAUDE_COMPOSER).passes(1400);
    assert_eq!(claude.seen().status, AgentStatus::Busy);
    claude.passes(600);
    assert_eq!(claude.facts(), [taken(None), hooked("started"), over(Outcome::Completed)]);
    assert_eq!((claude.seen().status, claude.seen().background), (AgentStatus::Ready, 1));
    claude.typed().prints(CLAUDE_BUSY).passes(200);
    assert_eq!(claude.seen().status, AgentStatus::Busy, "the next message");
}

#[test]
fn a_turn_does_not_give_up_on_what_nobody_has_read() {
    let mut codex = Session::ready("codex", CODEX_COMPOSER);
    codex.detector.follow_record();
    codex.typed().reports("working").passes(300).reports("done");
    // Stopped for longer than the answer is waited for, or so busy that its timer comes first.
    codex.stands_still(30_000).signal(DetectorInput::Tick);
    assert_eq!(codex.facts(), [taken(None)], "it waits again: what was written meanwhile lies there unread");
    let due = codex.detector.deadline().expect("it does not wait for ever");
    codex.now = due;
    assert!(codex.detector.awaits_record(codex.now));
    codex.signal(DetectorInput::Tick);
    assert_eq!(codex.facts(), [], "the file was not read since");
    let answer = json!({"payload": {"type": "task_complete", "last_agent_message": "late"}});
    codex.record(answer).signal(DetectorInput::SessionFileRead);
    let facts = codex.facts();
    assert!(
        matches!(&facts[..], [DetectorEvent::Answer { text, .. }, DetectorEvent::TurnOver { .. }] if text == "late"),
        "{facts:?}"
    );
}

#[test]
fn a_session_file_that_cannot_be_read_holds_no_turn_for_ever() {
    let mut codex = Session::ready("codex", CODEX_COMPOSER);
    codex.detector.follow_record();
    codex.typed().reports("working").passes(300).reports("done").passes(5000);
    assert_eq!(codex.facts(), [taken(None)]);
    for _ in 0..30 {
        // As a session does that polls and cannot read.
        codex.stands_still(500).signal(DetectorInput::Tick);
    }
    assert_eq!(codex.facts(), [over(Outcome::Completed)]);
    codex.typed().reports("working").passes(300).reports("done").passes(3000);
    codex.signal(DetectorInput::SessionFileRead);
    assert_eq!(codex.facts(), [taken(None), over(Outcome::Completed)], "read, and nothing is there");
}

#[test]
fn an_answer_may_be_empty() {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude.typed().reports("working").passes(500);
    claude.hook("Stop", json!({"stop_hook_active": false})).reports("done").passes(600);
    assert_eq!(claude.facts(), [taken(None), hooked(""), over(Outcome::Completed)]);
    let mut codex = Session::ready("codex", CODEX_COMPOSER);
    codex.typed().reports("working").passes(300).reports("done");
    codex.record(json!({"payload": {"type": "task_complete", "last_agent_message": null}})).passes(600);
    assert_eq!(codex.facts(), [taken(None), answer("", None), over(Outcome::Completed)]);
}

#[test]
fn what_is_said_before_a_tool_is_reported() {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude.typed().reports("working").passes(500);
    let said = |id: &str, text: &str| {
        json!({"type": "assistant", "isSidechain": false,
            "message": {"id": id, "content": [{"type": "text", "text": text}]}})
    };
    claude.record(said("a", "The review.")).record(said("b", "Done."));
    claude.hook("Stop", json!({"last_assistant_message": "Done."})).reports("done").passes(100);
    let review = DetectorEvent::Said { text: "The review.".into(), id: Some("a".into()) };
    assert_eq!(claude.facts(), [taken(None), review, hooked("Done."), over(Outcome::Completed)]);
}

#[test]
fn a_hook_that_comes_late_still_has_the_answer() {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude.typed().reports("working").passes(500).reports("done").passes(900);
    assert_eq!(claude.facts(), [taken(None)], "it waits for the answer");
    claude.hook("Stop", json!({"last_assistant_message": "hello"})).passes(5000);
    assert_eq!(claude.facts(), [hooked("hello"), over(Outcome::Completed)]);
}

#[test]
fn a_turn_without_its_hook_ends_all_the_same() {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude.typed().reports("working").passes(500).reports("done").passes(5000);
    assert_eq!(claude.facts(), [taken(None), over(Outcome::Completed)]);
}

#[test]
fn an_interrupted_turn_keeps_what_was_said() {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude.typed().reports("working").passes(500);
    let said = json!({"type": "assistant", "isSidechain": false,
        "message": {"id": "m", "content": [{"type": "text", "text": "one, two"}]}});
    claude.record(said).reports("idle").passes(1000);
    assert_eq!(claude.facts(), [taken(None), answer("one, two", Some("m")), over(Outcome::Interrupted)]);
}

/// A turn of Claude Code that is interrupted, of which its session file has said nothing yet; and what it says.
fn interrupted() -> (Session, Value) {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude.typed().hook("UserPromptSubmit", json!({"prompt": "one"})).reports("working").passes(500);
    claude.reports("idle").passes(1000);
    assert_eq!(claude.facts(), [taken(None), taken(Some("one")), over(Outcome::Interrupted)]);
    let line = json!({"message": {"content": [{"type": "text", "text": "[Request interrupted by user]"}]}});
    (claude, line)
}

#[test]
fn an_interruption_that_is_told_late_does_not_end_the_next_turn() {
    let (mut claude, line) = interrupted();
    claude.typed().hook("UserPromptSubmit", json!({"prompt": "two"})).reports("working").passes(500);
    claude.record(line.clone()).passes(1000);
    assert_eq!(claude.facts(), [taken(None), taken(Some("two"))], "it works on");
    claude.record(line).passes(100);
    assert_eq!(claude.facts(), [over(Outcome::Interrupted)], "the first was told of");
}

#[test]
fn what_an_interrupted_turn_said_is_not_the_answer_of_the_next_one() {
    let said = json!({"type": "assistant", "isSidechain": false,
        "message": {"id": "m", "content": [{"type": "text", "text": "about one"}]}});
    // The session file is read when the next turn has been interrupted, too: with both interruptions, with one, with none.
    for interruptions in [2, 1, 0] {
        let (mut claude, line) = interrupted();
        claude.typed().hook("UserPromptSubmit", json!({"prompt": "two"})).reports("working").passes(500);
        claude.record(said.clone()).reports("idle").passes(20);
        for _ in 0..interruptions {
            claude.record(line.clone());
        }
        claude.passes(5000);
        let two = [taken(None), taken(Some("two")), over(Outcome::Interrupted)];
        assert_eq!(claude.facts(), two, "{interruptions} interruptions");
    }
}

#[test]
fn an_interruption_that_is_never_told_hides_no_other_end() {
    let (mut claude, _) = interrupted();
    // It goes on by itself, which is no prompt.
    claude.reports("working").passes(500);
    claude.hook("Stop", json!({"last_assistant_message": "later"})).passes(80).reports("done").passes(5000);
    assert_eq!(claude.facts(), [taken(None), hooked("later"), over(Outcome::Completed)]);

    let (mut claude, line) = interrupted();
    claude.typed().hook("UserPromptSubmit", json!({"prompt": "two"})).reports("working").passes(500);
    claude.reports("idle").record(line);
    assert_eq!(claude.facts(), [taken(None), taken(Some("two")), over(Outcome::Interrupted)]);
}

#[test]
fn an_interruption_that_is_never_told_delays_no_later_one() {
    let (mut claude, line) = interrupted();
    claude.passes(15_000).typed().hook("UserPromptSubmit", json!({"prompt": "two"}));
    claude.reports("working").passes(500).record(line).passes(80);
    assert_eq!(claude.facts(), [taken(None), taken(Some("two")), over(Outcome::Interrupted)]);
}

#[test]
fn codex_tells_its_turns_in_its_session_file() {
    let mut codex = Session::ready("codex", CODEX_COMPOSER);
    codex.record(json!({"type": "session_meta", "payload": {"id": "t", "cli_version": "0.169.0"}}));
    codex.typed().reports("working").passes(300);
    let item = |kind: &str, text: &str| {
        json!({"type": "event_msg", "payload": {"type": "item_completed",
            "item": {"type": kind, "id": "i", "content": [{"type": "text", "text": text}]}}})
    };
    codex.record(item("UserMessage", "hi")).record(item("AgentMessage", "hello")).reports("done");
    codex.record(
        json!({"type": "event_msg", "payload": {"type": "task_complete", "last_agent_message": "hello"}}),
    );
    codex.passes(5000);
    let version = DetectorEvent::Version("0.169.0".into());
    let session = DetectorEvent::Session { id: "t".into() };
    let turn = [taken(None), taken(Some("hi")), answer("hello", None), over(Outcome::Completed)];
    assert_eq!(codex.facts(), [vec![version, session], turn.to_vec()].concat());
}

#[test]
fn gemini_tells_words_and_its_title_tells_the_end() {
    let mut gemini = Session::new("gemini");
    gemini.prints(GEMINI_COMPOSER).prints("\x1b]0;◇  Ready (dir)\x07").passes(1000);
    gemini.typed().prints("\x1b]0;✦  Working… (dir)\x07").passes(300);
    let line = |text: &str, output: u64| json!({"type": "gemini", "id": "g", "content": text, "tokens": {"input": 10, "output": output}});
    gemini.record(line("hel", 1)).record(line("hello", 3)).prints("\x1b]0;◇  Ready (dir)\x07").passes(1000);
    let tokens = |output: u64| DetectorEvent::Tokens { input: 10, output };
    let expected = [taken(None), tokens(1), tokens(3), answer("hello", Some("g")), over(Outcome::Completed)];
    assert_eq!(gemini.facts(), expected);
}

#[test]
fn a_failed_turn_is_an_error_and_then_ready_again() {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude.typed().reports("working").passes(500);
    claude.hook("StopFailure", json!({"last_assistant_message": "API Error: 529 Overloaded"}));
    claude.reports("error:msg=QVBJIEVycm9yOiA1MjkgT3ZlcmxvYWRlZA==").passes(5000);
    use AgentStatus::{Busy, Error, Ready, Starting};
    assert_eq!(claude.statuses, [Starting, Ready, Busy, Error, Ready]);
    assert_eq!(claude.facts(), [taken(None), over(Outcome::Failed)]);
    let error = claude.seen().error.clone().expect("it stays until the next turn");
    assert_eq!((error.code.as_str(), error.message.as_str()), ("api_error", "API Error: 529 Overloaded"));
}

#[test]
fn a_wrong_key_is_an_error_and_a_missing_login_is_not() {
    // "Invalid API key · Fix external API key", "Not logged in · Please run /login"
    let key = "SW52YWxpZCBBUEkga2V5IMK3IEZpeCBleHRlcm5hbCBBUEkga2V5";
    let login = "Tm90IGxvZ2dlZCBpbiDCtyBQbGVhc2UgcnVuIC9sb2dpbg==";
    for (message, needs_login) in [(key, false), (login, true)] {
        let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
        claude
            .typed()
            .reports("working")
            .passes(100)
            .reports(&format!("blocked:kind=auth:msg={message}"))
            .passes(20);
        let kind = claude.seen().attention.as_ref().map(|needed| needed.kind);
        assert_eq!(kind, needs_login.then_some(AttentionKind::Login));
        assert_eq!(claude.seen().status == AgentStatus::Error, !needs_login);
        assert_eq!(claude.facts(), [taken(None), over(Outcome::Failed)]);
        assert_eq!(claude.seen().error.as_ref().map(|error| error.code.as_str()), Some("auth"));
    }
}

#[test]
fn a_question_is_told_with_its_dialog() {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude
        .typed()
        .reports("working")
        .passes(300)
        .reports("blocked:kind=permission:msg=YXBwcm92ZSBCYXNo")
        .passes(300);
    assert_eq!(claude.seen().attention, None, "its dialog is on its way");
    let dialog = "\x1b[2J\x1b[H────────────────────────\r\n Bash command\r\n Do you want to proceed?\r\n \
                  ❯ 1. Yes\r\n   2. No\r\n\r\n Esc to cancel · Tab to amend";
    claude.prints(dialog).passes(30);
    let needed = claude.seen().attention.clone().expect("asked");
    assert!(needed.on_screen);
    assert_eq!(claude.seen().status, AgentStatus::Busy, "it keeps its status");
    assert_eq!(claude.seen().composer, Composer::Absent);
    assert_eq!(claude.seen().source, Source::Screen);

    claude.reports("working").prints(CLAUDE_COMPOSER).passes(30);
    assert!(
        claude.seen().attention.as_ref().is_none_or(|needed| !needed.on_screen),
        "keys would not reach it"
    );
    assert_eq!(claude.passes(300).seen().attention, None);
}

#[test]
fn a_question_whose_dialog_is_not_known_is_told_without() {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude
        .typed()
        .reports("working")
        .passes(300)
        .reports("blocked:kind=permission:msg=YXBwcm92ZSBCYXNo")
        .passes(2100);
    let needed = claude.seen().attention.clone().expect("asked");
    assert_eq!((needed.text.as_str(), needed.on_screen, needed.options.len()), ("approve Bash", false, 0));
    assert_eq!(claude.seen().source, Source::Osc7501);
}

#[test]
fn a_dialog_wins_over_every_report() {
    let quota = "\x1b[2J\x1b[H╭────────────────────────────────────────╮\r\n│ Usage limit reached for all Pro models. │\r\n\
                 │ ● 1. Keep trying                       │\r\n│   2. Stop                              │\r\n\
                 ╰────────────────────────────────────────╯";
    let mut gemini = Session::new("gemini");
    gemini.prints(GEMINI_COMPOSER).prints("\x1b]0;◇  Ready (dir)\x07").passes(1000);
    for title in ["✦  Working… (dir)", "◇  Ready (dir)"] {
        gemini.prints(&format!("\x1b]0;{title}\x07{quota}")).passes(3000);
        assert_eq!(
            gemini.seen().attention.as_ref().map(|needed| needed.kind),
            Some(AttentionKind::Question),
            "{title}"
        );
        assert_ne!(gemini.statuses.last(), Some(&AgentStatus::Ready), "{title}");
    }
}

#[test]
fn another_programs_reports_do_not_count() {
    let mut claude = Session::ready("claude", CLAUDE_COMPOSER);
    claude.reports("working:app=other").reports("working:id=sub/task").prints("\x07").passes(1000);
    assert_eq!(claude.statuses, [AgentStatus::Starting, AgentStatus::Ready]);
}

#[test]
fn half_a_frame_is_not_looked_at() {
    let mut codex = Session::ready("codex", CODEX_COMPOSER);
    codex.prints("\x1b[?2026h\x1b[2J\x1b[H").passes(500);
    assert_eq!(codex.seen().composer, Composer::Empty);
    codex.prints("\x1b[?2026l").passes(500);
    assert_eq!(codex.seen().composer, Composer::Absent);
}

#[test]
fn a_frame_that_never_ends_is_looked_at_all_the_same() {
    let mut codex = Session::ready("codex", CODEX_COMPOSER);
    codex.prints("\x1b[?2026h\x1b[2J\x1b[H");
    codex.signal(DetectorInput::Settled);
    codex.passes(2000);
    let due = codex.detector.deadline();
    assert!(due.is_none_or(|due| due > codex.now + Duration::from_millis(100)), "it wakes the host: {due:?}");
    codex.passes(7900);
    assert_eq!(codex.seen().composer, Composer::Empty, "the machine may be busy");
    codex.passes(200);
    assert_eq!(codex.seen().composer, Composer::Absent);
    assert!(codex.detector.has_seen_screen());
}

#[test]
fn a_new_conversation_adds_to_the_tokens_of_before() {
    let mut codex = Session::ready("codex", CODEX_COMPOSER);
    let meta = |id: &str| json!({"type": "session_meta", "payload": {"id": id}});
    let used = |input: u64| {
        json!({"type": "event_msg", "payload": {"type": "token_count",
            "info": {"total_token_usage": {"input_tokens": input, "output_tokens": 0}}}})
    };
    for record in [meta("t"), used(500), meta("u"), used(100), meta("t"), used(500)] {
        codex.record(record);
    }
    let told = codex.facts().into_iter().filter_map(|fact| match fact {
        DetectorEvent::Tokens { input, .. } => Some(input),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [500, 600], "and nothing twice");
}

#[test]
fn a_shell_ends_a_turn_in_which_nothing_ran() {
    let shell = Profile::parse(include_str!("../../../examples/profiles/shell.toml")).expect("valid");
    let mut shell = Session::of(&Arc::new(shell));
    shell.prints("\x1b]7501;state=done:app=shell\x07$ ").passes(1000);
    assert_eq!(shell.seen().status, AgentStatus::Ready);
    shell.prints("# only a comment").passes(100);
    assert_eq!(shell.seen().composer, Composer::Holds("# only a comment".into()));
    shell.typed().prints("\r\n\x1b]7501;state=done:app=shell\x07$ ").passes(1000);
    shell.typed().prints("ls\r\n\x1b]7501;state=working:app=shell\x07a\r\n").passes(100);
    shell.prints("\x1b]7501;state=done:app=shell\x07$ ").passes(1000);
    assert_eq!(shell.facts(), [taken(None), over(Outcome::Completed), taken(None), over(Outcome::Completed)]);
}
