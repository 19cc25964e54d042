//! What the team does: the ten kinds of steps.

use std::collections::BTreeMap;

use parallax_api::execution::USER;
use parallax_api::workspace::MergeStrategy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field_type::FieldType;

/// What the team does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workflow {
    /// The steps, one after the other.
    #[schemars(length(min = 1))]
    pub steps: Vec<Step>,
    /// What comes out: a text with variables, or several by name. Default: the result of the last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// How long a run may take, in milliseconds. Default: a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_592_000_000_u64))]
    pub timeout_ms: Option<u64>,
}

/// What comes out of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Output {
    /// One text. A single `${…}` keeps its type.
    One(String),
    /// Several by name.
    Several(BTreeMap<String, String>),
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $word:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            pub struct $name {
                /// Its name, for `${id}`: a letter, then letters, digits, `_` and `-`.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub id: Option<String>,
                /// How long one attempt may take, in milliseconds. Default: half an hour for a step that asks an agent.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schemars(range(min = 1, max = 604_800_000))]
                pub timeout_ms: Option<u64>,
                /// How often it is tried again after a failure. A rejection is no failure.
                #[serde(default)]
                #[schemars(range(min = 0, max = 10))]
                pub retries: u32,
                $($(#[$field_doc])* pub $field: $type,)*
            }
        )*

        /// One step. `type` says which kind.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "type", rename_all = "lowercase")]
        pub enum Step {
            $($(#[$doc])* $name($name),)*
        }

        impl Step {
            /// The word in a file.
            pub fn word(&self) -> &'static str {
                match self { $(Self::$name(_) => $word,)* }
            }

            /// Its name.
            pub fn id(&self) -> Option<&str> {
                match self { $(Self::$name(step) => step.id.as_deref(),)* }
            }

            /// How long one attempt may take, where the file says so.
            pub fn timeout_ms(&self) -> Option<u64> {
                match self { $(Self::$name(step) => step.timeout_ms,)* }
            }

            /// How often it is tried again.
            pub fn retries(&self) -> u32 {
                match self { $(Self::$name(step) => step.retries,)* }
            }
        }
    };
}

steps! {
    /// A role does a task. The result is its answer.
    Assign = "assign" {
        /// The role.
        role: String,
        /// What to do. May hold variables.
        task: String,
        /// The fields that the answer must have, with their types: the agent is asked for JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<BTreeMap<String, FieldType>>,
    }
    /// Steps at the same time. The result is the list of their results.
    Parallel = "parallel" {
        /// The steps. They do not see each other's results.
        #[schemars(length(min = 1))]
        steps: Vec<Step>,
        /// How many at once. Default: 8.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = 64))]
        max_parallel: Option<u32>,
    }
    /// Steps one after the other. The result is the last one's.
    Sequential = "sequential" {
        /// The steps.
        #[schemars(length(min = 1))]
        steps: Vec<Step>,
    }
    /// One of several roles does a task. The result is its answer.
    Select = "select" {
        /// The roles to choose from.
        #[schemars(length(min = 1))]
        roles: Vec<String>,
        /// How to choose.
        strategy: SelectStrategy,
        /// For `expertise`: the capabilities that are needed. Default: those whose words occur in the task.
        #[serde(default)]
        needs: Vec<String>,
        /// What to do. May hold variables.
        task: String,
    }
    /// A role judges something. A rejection ends the run, unless `gate: false`. The result has `approved`, `verdict`,
    /// `comments` and `by`.
    Review = "review" {
        /// The role.
        reviewer: String,
        /// What to judge. May hold variables.
        subject: String,
        /// What to judge it by. May hold variables.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        criteria: Option<String>,
        /// Whether a rejection ends the run.
        #[serde(default = "yes")]
        gate: bool,
    }
    /// A person (`user`) or a role approves. A rejection ends the run, unless `gate: false`. The result is as that of `review`.
    Approve = "approve" {
        /// `user`, or a role.
        approver: String,
        /// What to approve. May hold variables.
        subject: String,
        /// Whether a rejection ends the run.
        #[serde(default = "yes")]
        gate: bool,
    }
    /// One answer out of several. The result has `answer`, `agreed`, `votes` and `of`.
    Aggregate = "aggregate" {
        /// How.
        strategy: AggregateStrategy,
        /// The ids of the steps whose answers count; of a `parallel` step, those of all its steps.
        #[schemars(length(min = 1))]
        of: Vec<String>,
        /// The role that decides. Required for `best`; the others use it when the answers alone do not decide.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        judge: Option<String>,
        /// What the judge is to look at. May hold variables.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        criteria: Option<String>,
    }
    /// What a role has changed in its workspace, committed or not. The result is a unified diff.
    Diff = "diff" {
        /// The role.
        role: String,
        /// One file or directory of the workspace. May hold variables. Default: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    }
    /// Commits what a role has changed in its workspace, and merges it into a branch. The result has `into` and `commit`.
    Merge = "merge" {
        /// The role.
        role: String,
        /// The branch, which is checked out nowhere. May hold variables.
        into: String,
        /// How.
        #[serde(default)]
        #[schemars(with = "MergeWord")]
        strategy: MergeStrategy,
        /// The message of the commits. May hold variables.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    }
    /// Steps that are done if something holds, and others that are done if not. The result is that of the last step done.
    Condition = "condition" {
        /// Comparisons, `!`, `&&`, `||` over variables.
        r#if: String,
        /// If it holds.
        #[serde(default)]
        then: Vec<Step>,
        /// If not.
        #[serde(default)]
        r#else: Vec<Step>,
    }
}

/// [`MergeStrategy`] as files have it.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum MergeWord {
    /// A merge commit.
    Merge,
    /// One commit with everything, without the history.
    Squash,
    /// The branch moves forward, or the step fails.
    Ff,
}

/// How `select` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelectStrategy {
    /// The role with the most room.
    Availability,
    /// In turns, over all `select` steps of a run that name the same roles.
    RoundRobin,
    /// The role whose capabilities fit best.
    Expertise,
}

/// How `aggregate` makes one answer of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AggregateStrategy {
    /// All say the same.
    Consensus,
    /// More than half say the same.
    Majority,
    /// All of them, one under the other; with a judge, made into one.
    Merge,
    /// The one that the judge finds best.
    Best,
}

/// The name of the result of the step at this index of the workflow.
pub fn default_result_name(index: usize) -> String {
    format!("step_{index}_result")
}

/// These steps and all steps in them.
pub fn descendants(steps: &[Step]) -> impl Iterator<Item = &Step> {
    let mut pending: Vec<&Step> = steps.iter().collect();
    std::iter::from_fn(move || {
        let step = pending.pop()?;
        pending.extend(step.children().into_iter().map(|(_, _, child)| child));
        Some(step)
    })
}

impl Step {
    /// The roles that it names itself.
    pub fn roles(&self) -> Vec<&str> {
        match self {
            Self::Assign(step) => vec![&step.role],
            Self::Select(step) => step.roles.iter().map(String::as_str).collect(),
            Self::Review(step) => vec![&step.reviewer],
            Self::Approve(step) => vec![&step.approver],
            Self::Aggregate(step) => step.judge.as_deref().into_iter().collect(),
            Self::Diff(step) => vec![&step.role],
            Self::Merge(step) => vec![&step.role],
            Self::Parallel(_) | Self::Sequential(_) | Self::Condition(_) => vec![],
        }
    }

    /// The steps directly in it, each with its field and its index there.
    pub fn children(&self) -> Vec<(&'static str, usize, &Step)> {
        fn all<'a>(
            field: &'static str,
            steps: &'a [Step],
        ) -> impl Iterator<Item = (&'static str, usize, &'a Step)> {
            steps.iter().enumerate().map(move |(index, step)| (field, index, step))
        }
        match self {
            Self::Parallel(step) => all("steps", &step.steps).collect(),
            Self::Sequential(step) => all("steps", &step.steps).collect(),
            Self::Condition(step) => all("then", &step.then).chain(all("else", &step.r#else)).collect(),
            Self::Assign(_)
            | Self::Select(_)
            | Self::Review(_)
            | Self::Approve(_)
            | Self::Aggregate(_)
            | Self::Diff(_)
            | Self::Merge(_) => vec![],
        }
    }

    /// Whether the step itself asks an agent, or the runtime of one. A person takes the time that it takes.
    pub fn asks_agent(&self) -> bool {
        match self {
            Self::Parallel(_) | Self::Sequential(_) | Self::Condition(_) => false,
            Self::Approve(step) => step.approver != USER,
            Self::Assign(_)
            | Self::Select(_)
            | Self::Review(_)
            | Self::Aggregate(_)
            | Self::Diff(_)
            | Self::Merge(_) => true,
        }
    }
}

fn yes() -> bool {
    true
}
