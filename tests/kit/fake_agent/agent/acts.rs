//! What a turn does: the acts of its prompt, one after another.

use std::time::Duration;

use tokio::time::Instant;

use super::super::dialog::{Answer, Dialog};
use super::super::input::Event;
use super::super::keys::Reply;
use super::super::process;
use super::super::screen::State;
use super::super::script::Act;
use super::{Control, End, FakeAgent, Stop};

/// A turn takes at least so long, as with any model. What is reported over the terminal and what stands in the session
/// file come by different ways: without this they would overtake one another.
const LEAST_WORK: Duration = Duration::from_millis(60);

impl FakeAgent {
    pub(super) async fn play(&mut self, acts: Vec<Act>, answer: &mut Vec<String>) -> Result<(), Stop> {
        self.pause(Some(LEAST_WORK)).await?;
        for act in acts {
            answer.extend(self.act(act).await?);
        }
        Ok(())
    }

    async fn act(&mut self, act: Act) -> Result<Option<String>, Stop> {
        let line = match act {
            Act::Say(text) => text,
            Act::Print(text) => {
                self.print(&text);
                return Ok(None);
            }
            Act::Late(file) => {
                self.late = Some(file);
                return Ok(None);
            }
            Act::Wait(time) => {
                self.pause(Some(time)).await?;
                return Ok(None);
            }
            Act::Gate => {
                self.pause(None).await?;
                return Ok(None);
            }
            Act::Ask(what) => self.permission(&what).await?,
            Act::Choose(options) => self.choice(&options).await?,
            Act::Lines(count) => {
                let lines: Vec<String> = (1..=count).map(|number| format!("line {number}")).collect();
                lines.join("\n")
            }
            Act::Flood(bytes) => {
                self.flood(bytes);
                format!("flooded {bytes}")
            }
            Act::Fail(why) => return Err(Stop::Failed(why)),
            Act::Crash(code) => std::process::exit(code),
            Act::Die => {
                process::die();
                return Ok(None);
            }
            Act::Child => format!("child {}", process::child()?),
            Act::Daemon => format!("daemon {}", process::daemon()?),
            Act::Pid => process::pid().as_raw_nonzero().to_string(),
            Act::Cwd => std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned(),
            Act::Size => {
                let (cols, rows) = self.screen.size();
                format!("{cols}x{rows}")
            }
            Act::Env(name) => std::env::var(&name).unwrap_or_else(|_| "unset".to_owned()),
            Act::Fds => self.options.inherited.clone(),
            Act::Queries => self.queries().await,
            Act::Recall => self.session_file.recall(),
        };
        Ok(Some(line))
    }

    /// Waits so long, or for the gate; typing goes on meanwhile.
    async fn pause(&mut self, time: Option<Duration>) -> Result<(), Stop> {
        if time.is_none() && self.opened > 0 {
            self.opened -= 1;
            return Ok(());
        }
        let deadline = time.map(|time| Instant::now() + time);
        loop {
            let next = self.input.next();
            let event = match deadline {
                Some(deadline) => match tokio::time::timeout_at(deadline, next).await {
                    Ok(event) => event,
                    Err(_) => return Ok(()),
                },
                None => next.await,
            };
            match self.edit(event) {
                Control::Gate if deadline.is_none() => return Ok(()),
                Control::Interrupt => return Err(Stop::Interrupted),
                Control::Leave => return Err(Stop::End(End::Exit(0))),
                Control::Gate => self.opened += 1,
                Control::None => {}
            }
        }
    }

    async fn permission(&mut self, what: &str) -> Result<String, Stop> {
        if self.options.unasked {
            return Ok("permitted unasked".into());
        }
        let answer = self.ask(Dialog::permission(what), State::Permission).await.map_err(Stop::End)?;
        self.screen.state(State::Working, "");
        match answer {
            Answer::Option(0) => Ok("permitted".into()),
            Answer::Option(1) => Ok("permitted for good".into()),
            _ => Ok("refused".into()),
        }
    }

    async fn choice(&mut self, options: &[String]) -> Result<String, Stop> {
        let answer = self.ask(Dialog::choice(options), State::Question).await.map_err(Stop::End)?;
        self.screen.state(State::Working, "");
        match answer {
            Answer::Option(index) => Ok(format!("chose {}", options[index])),
            Answer::Text(text) => Ok(format!("chose {text}")),
            Answer::Cancelled => Err(Stop::Interrupted),
        }
    }

    fn flood(&mut self, bytes: usize) {
        let mut left = bytes;
        let mut number = 0_u64;
        while left > 0 {
            number += 1;
            let line = format!("flood {number:08} {}", "=".repeat(64));
            let line: String = line.chars().take(left.saturating_sub(2)).collect();
            left = left.saturating_sub(line.len() + 2);
            self.screen.print(&line);
        }
        self.paint();
    }

    async fn queries(&mut self) -> String {
        self.screen.write("\x1b[6n\x1b]11;?\x1b\\\x1b[c");
        self.hear_terminal(1).await;
        // A second answer comes too late.
        let deadline = Instant::now() + Duration::from_millis(300);
        while let Ok(event) = tokio::time::timeout_at(deadline, self.input.next()).await {
            if let Event::End = event {
                break;
            }
            self.edit(event);
        }
        let count = |kind| self.replies.iter().filter(|reply| **reply == kind).count();
        let (device, cursor, colour) = (count(Reply::Device), count(Reply::Cursor), count(Reply::Colour));
        format!("device {device}, cursor {cursor}, colour {colour}")
    }
}
