//! What the detector concludes.

use std::time::Duration;

use parallax_api::{
    AgentError, AgentStatus, AttentionKind, AttentionOption, AttentionQuestion, AttentionTool,
};
use serde::{Deserialize, Serialize};

/// What an agent is doing, and how that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// What it is doing.
    pub status: AgentStatus,
    /// What a person is needed for.
    pub attention: Option<AttentionRequest>,
    /// What went wrong last. It stays until the next turn begins.
    pub error: Option<AgentError>,
    /// Where a message would be typed.
    pub composer: Composer,
    /// Where status and attention are known from.
    pub source: Source,
    /// The rule that said so.
    pub rule: String,
    /// What the rule saw.
    pub evidence: String,
    /// Since when the status is what it is.
    pub since: Duration,
    /// What a busy agent waits for: `retrying`, `reconnecting`.
    pub detail: Option<String>,
    /// The mode that the composer is in, when what is typed would be no message.
    pub composer_mode: Option<ComposerMode>,
    /// Tasks that run on in the background, as far as the CLI reports them.
    pub background: usize,
}

/// What a person is needed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttentionRequest {
    /// What for.
    pub kind: AttentionKind,
    /// What the CLI says.
    pub text: String,
    /// Where to log in, whole.
    pub login_url: Option<String>,
    /// The choices.
    pub options: Vec<DialogOption>,
    /// The dialog itself is on the screen: keys reach it.
    pub on_screen: bool,
    /// The keys that show more options, when there are more than those on the screen.
    pub scroll: Vec<String>,
    /// The option that the marker stands at, by its place among those on the screen.
    pub marked: Option<usize>,
    /// How free text is entered, when it takes some.
    pub takes_text: Option<TextEntry>,
    /// The keys of the choice that the profile makes by itself, once. Empty: it is a person's.
    pub pass: Vec<String>,
    /// The keys that close it without any other effect, so that a message can be typed: for menus of the CLI's own.
    pub close: Vec<String>,
    /// The tool that the agent asks to use.
    pub tool: Option<AttentionTool>,
    /// All questions that are asked at once.
    pub questions: Vec<AttentionQuestion>,
    /// The plan to be approved.
    pub plan: Option<String>,
    /// What the CLI warns of.
    pub danger: Option<String>,
}

impl AttentionRequest {
    /// A request with nothing but its kind and text.
    pub fn new(kind: AttentionKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            login_url: None,
            options: Vec::new(),
            on_screen: true,
            scroll: Vec::new(),
            marked: None,
            takes_text: None,
            pass: Vec::new(),
            close: Vec::new(),
            tool: None,
            questions: Vec::new(),
            plan: None,
            danger: None,
        }
    }
}

/// A choice and the keys that make it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialogOption {
    /// `yes`, `no`, `always`, or a word made from the label.
    pub id: String,
    /// What the CLI shows.
    pub label: String,
    /// Key names for `keys::encode`, or text to type as it stands: one write each, 50 ms or more apart. None: the list must
    /// be scrolled to it first.
    pub keys: Vec<String>,
    /// What the agent says about it.
    pub description: Option<String>,
    /// What choosing it would look like.
    pub preview: Option<String>,
    /// Whether it is ticked, where several may be: its keys tick and untick it.
    pub selected: Option<bool>,
}

impl From<&DialogOption> for AttentionOption {
    fn from(choice: &DialogOption) -> Self {
        Self {
            id: choice.id.clone(),
            label: choice.label.clone(),
            description: choice.description.clone(),
            preview: choice.preview.clone(),
            selected: choice.selected,
        }
    }
}

/// How a dialog takes free text: `before`, the text as a paste, `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEntry {
    /// Keys that open the entry.
    pub before: Vec<String>,
    /// The paste itself opens it, in a list. A single digit would choose from the list instead.
    pub in_list: bool,
    /// Keys that end it.
    pub after: Vec<String>,
    /// The text waits until the entry is open, and `after` until the screen shows the text, or a mask in its place. A prompt
    /// for a password shows nothing.
    pub waits_for_echo: bool,
}

/// Where a message is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Composer {
    /// It is not on the screen, or takes nothing now.
    Absent,
    /// It is there and empty; a dim hint does not count.
    Empty,
    /// It is there and holds this.
    Holds(String),
}

/// A mode of the composer in which what is typed is no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComposerMode {
    /// What people call it: `shell`, `vim normal`.
    pub name: String,
    /// The keys that leave it.
    pub leave: Vec<String>,
}

/// Where a conclusion comes from, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The process itself: spawned, ended.
    Process,
    /// A status report in the terminal stream.
    Osc7501,
    /// A hook of the CLI.
    Hook,
    /// The CLI's session file.
    #[serde(rename = "record")]
    SessionFile,
    /// The window title.
    Title,
    /// The screen.
    Screen,
}

impl Source {
    /// As `StatusReport::source` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Osc7501 => "osc7501",
            Self::Hook => "hook",
            Self::SessionFile => "record",
            Self::Title => "title",
            Self::Screen => "screen",
        }
    }
}

/// Something that happened once.
#[derive(Clone, Debug, PartialEq)]
pub enum DetectorEvent {
    /// The conversation has this id: what it is resumed by.
    Session {
        /// The id.
        id: String,
    },
    /// A turn began (`None`), or the CLI reported the prompt it took. Both may come for one prompt, in any order.
    PromptTaken {
        /// The prompt, as the CLI has it.
        text: Option<String>,
    },
    /// The answer of the turn that ends next. A later one in the same turn replaces it.
    Answer {
        /// The text as the model wrote it.
        text: String,
        /// The CLI's id for it.
        id: Option<String>,
        /// Which report had it.
        source: Source,
    },
    /// Something that the agent said before its answer, for instance before it ran a tool.
    Said {
        /// The text as the model wrote it.
        text: String,
        /// The CLI's id for it.
        id: Option<String>,
    },
    /// A turn is over. Its answer was reported before, unless only the screen has one.
    TurnOver {
        /// How it ended.
        outcome: Outcome,
    },
    /// Tokens of the conversation so far.
    Tokens {
        /// Read.
        input: u64,
        /// Written.
        output: u64,
    },
    /// Cost of the conversation so far, in US dollars.
    Cost {
        /// Dollars.
        usd: f64,
    },
    /// The CLI's version.
    Version(String),
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The model finished.
    Completed,
    /// It was stopped, or what it wanted was denied.
    Interrupted,
    /// It failed.
    Failed,
}
