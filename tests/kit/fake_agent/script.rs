//! What a prompt makes the fake agent do: `do ACT && ACT && …`. Any other prompt is echoed.

use std::path::PathBuf;
use std::time::Duration;

/// One thing to do in a turn. What most of them give is a line of the turn's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// `say TEXT`: the text.
    Say(String),
    /// `print TEXT`: on the screen only; no part of the answer.
    Print(String),
    /// `wait MS`
    Wait(Duration),
    /// `gate`: until Ctrl-G is typed.
    Gate,
    /// `late FILE`: the session file has the end of this turn only once FILE is there, after all else says that it is over.
    Late(PathBuf),
    /// `ask WHAT`: permission; gives `permitted`, `permitted for good` or `refused`.
    Ask(String),
    /// `choose A|B|C`: gives `chose …`.
    Choose(Vec<String>),
    /// `lines N`: `line 1` to `line N`.
    Lines(usize),
    /// `flood N`: N bytes on the screen only; gives `flooded N`.
    Flood(usize),
    /// `fail WHY`: the turn fails.
    Fail(String),
    /// `crash CODE`: exits in mid-turn, the terminal left as it is.
    Crash(i32),
    /// `die`: kills itself with SIGKILL.
    Die,
    /// `child`: leaves a child behind that holds the terminal; gives `child PID`.
    Child,
    /// `daemon`: leaves a grandchild behind in a session of its own; gives `daemon PID`.
    Daemon,
    /// `pid`: gives its process id.
    Pid,
    /// `cwd`: gives its working directory.
    Cwd,
    /// `size`: gives the terminal's columns and rows.
    Size,
    /// `env NAME`: gives the variable, or `unset`.
    Env(String),
    /// `fds`: gives what its file descriptors are.
    Fds,
    /// `queries`: asks the terminal; gives how often it answered.
    Queries,
    /// `recall`: gives how many prompts came before in this conversation, and their digest.
    Recall,
}

/// The acts of a prompt; fails with what is not understood. `lines` say what to do when the prompt holds some words:
/// `WORDS => ACT && ACT`, the first that fits.
pub(super) fn parse(prompt: &str, lines: &str) -> Result<Vec<Act>, String> {
    let lines = lines.lines().filter_map(|line| line.split_once("=>"));
    let fitting = lines.map(|(words, acts)| (words.trim(), acts)).find(|(words, _)| prompt.contains(words));
    if let Some((_, acts)) = fitting {
        return acts.split("&&").map(|act| parse_act(act.trim())).collect();
    }
    match prompt.trim_start().strip_prefix("do ") {
        Some(script) => script.split("&&").map(|act| parse_act(act.trim())).collect(),
        None => Ok(vec![Act::Say(format!("echo: {prompt}"))]),
    }
}

fn parse_act(text: &str) -> Result<Act, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let number = || rest.trim().parse::<usize>().map_err(|_| format!("`{text}`: `{rest}` is no number"));
    Ok(match word {
        "say" => Act::Say(rest.to_owned()),
        "print" => Act::Print(rest.to_owned()),
        "wait" => Act::Wait(Duration::from_millis(number()? as u64)),
        "gate" => Act::Gate,
        "late" => Act::Late(rest.into()),
        "ask" => Act::Ask(rest.to_owned()),
        "choose" => Act::Choose(rest.split('|').map(|choice| choice.trim().to_owned()).collect()),
        "lines" => Act::Lines(number()?),
        "flood" => Act::Flood(number()?),
        "fail" => Act::Fail(rest.to_owned()),
        "crash" => Act::Crash(i32::try_from(number()?).map_err(|error| error.to_string())?),
        "die" => Act::Die,
        "child" => Act::Child,
        "daemon" => Act::Daemon,
        "pid" => Act::Pid,
        "cwd" => Act::Cwd,
        "size" => Act::Size,
        "env" => Act::Env(rest.to_owned()),
        "fds" => Act::Fds,
        "queries" => Act::Queries,
        "recall" => Act::Recall,
        _ => return Err(format!("no act is called `{word}`")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts() {
        assert_eq!(parse("hello\nthere", ""), Ok(vec![Act::Say("echo: hello\nthere".into())]));
        assert_eq!(
            parse("do lines 3 && ask touch a && say done", ""),
            Ok(vec![Act::Lines(3), Act::Ask("touch a".into()), Act::Say("done".into())])
        );
        let lines = "plan => say a plan\nbuild => wait 5 && say built";
        assert_eq!(parse("please build it", lines).map(|acts| acts.len()), Ok(2));
        assert_eq!(parse("please rest", lines), Ok(vec![Act::Say("echo: please rest".into())]));
        assert!(parse("do dance", "").is_err() && parse("do lines many", "").is_err());
    }
}
