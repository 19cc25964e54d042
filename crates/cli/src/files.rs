//! `parallax files`: the files of an agent's working directory.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use futures::StreamExt;
use parallax_api::client::{FileContent, FileStream};
use parallax_api::files::{FileKind, FileList, MAX_FILE};
use parallax_api::{Code, Problem, Time};
use serde_json::json;

use crate::context::Context;
use crate::error::CliError;
use crate::find;
use crate::output::{Output, Style, Table, ago, bytes, clean, one_line};

/// Bytes of a line that are held for its end.
const LONGEST_LINE: usize = 64 * 1024;

#[derive(Args, Debug)]
pub(crate) struct FilesArgs {
    #[command(subcommand)]
    command: FilesCommand,
}

#[derive(Subcommand, Debug)]
enum FilesCommand {
    /// List a directory
    #[command(visible_alias = "list")]
    Ls {
        /// Id, beginning of an id, or name
        agent: String,
        /// Directory below the agent's working directory [default: that one]
        path: Option<String>,
    },
    /// Get a file, or a directory as a tar archive
    Get {
        /// Id, beginning of an id, or name
        agent: String,
        /// File or directory below the agent's working directory
        path: String,
        /// Where to put it [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The directory and everything below it as a tar archive
        #[arg(long)]
        tar: bool,
    },
    /// Make a file, replace it, or unpack a tar archive into a directory
    Put {
        /// Id, beginning of an id, or name
        agent: String,
        /// File here; `-` reads standard input
        file: String,
        /// Its path below the agent's working directory [default: its name]
        path: Option<String>,
        /// FILE is a tar archive, and PATH the directory to unpack it into
        #[arg(long)]
        tar: bool,
    },
    /// Remove a file, a link or an empty directory
    Rm {
        /// Id, beginning of an id, or name
        agent: String,
        /// Its path below the agent's working directory
        path: String,
    },
}

impl FilesArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        match self.command {
            FilesCommand::Ls { agent, path } => {
                let agent = find::agent(client, &agent).await?;
                let path = path.unwrap_or_default();
                match client.file(&agent.id, &path).await? {
                    FileContent::Directory(list) if output.json() => Ok(output.document(&list)?),
                    FileContent::Directory(list) => Ok(print(&list, output)?),
                    FileContent::File(_) => {
                        let detail = format!("`{path}` is a file: `parallax files get` prints it");
                        Err(Problem::new(Code::Conflict, detail).into())
                    }
                }
            }
            FilesCommand::Get { agent, path, output: to, tar } => {
                let agent = find::agent(client, &agent).await?;
                let content = if tar {
                    let (content, omitted) = client.archive(&agent.id, &path).await?;
                    if omitted > 0 {
                        output.note(&format!("{omitted} not in the archive: links, devices, or unreadable"));
                    }
                    content
                } else {
                    match client.file(&agent.id, &path).await? {
                        FileContent::File(content) => content,
                        FileContent::Directory(_) => {
                            return Err(CliError::Usage(
                                "it is a directory: `--tar` gets it as an archive".into(),
                            ));
                        }
                    }
                };
                save(content, to.as_deref(), output).await
            }
            FilesCommand::Put { agent, file, path, tar } => {
                let path = match (path, tar) {
                    (Some(path), _) => path,
                    (None, true) => String::new(),
                    (None, false) => name_of(&file)?,
                };
                let content = tokio::task::spawn_blocking(move || read(&file))
                    .await
                    .map_err(|error| CliError::from(io::Error::other(error)))??;
                let agent = find::agent(client, &agent).await?;
                if tar {
                    let unpacked = client.unpack(&agent.id, &path, content).await?;
                    return match output.json() {
                        true => Ok(output.document(&unpacked)?),
                        false => Ok(output.line(format!("{} files", unpacked.files))?),
                    };
                }
                let is_new = client.put_file(&agent.id, &path, content).await?;
                match output.json() {
                    true => Ok(output.document(&json!({"path": path, "isNew": is_new}))?),
                    false => {
                        output.note(if is_new { "made" } else { "replaced" });
                        Ok(())
                    }
                }
            }
            FilesCommand::Rm { agent, path } => {
                let agent = find::agent(client, &agent).await?;
                Ok(client.delete_file(&agent.id, &path).await?)
            }
        }
    }
}

fn print(list: &FileList, output: &Output) -> io::Result<()> {
    let now = Time::now();
    let mut table = Table::new(["SIZE", "WRITTEN", "NAME"]);
    for entry in &list.entries {
        let (size, end) = match entry.kind {
            FileKind::File => (bytes(entry.size), ""),
            FileKind::Directory => ("-".into(), "/"),
            FileKind::Link => ("link".into(), ""),
            FileKind::Other => ("other".into(), ""),
        };
        table.row([
            (size, Style::Plain),
            (ago(entry.modified_at, now), Style::Faint),
            (one_line(&format!("{}{end}", entry.name)), Style::Plain),
        ]);
    }
    table.print(output)?;
    if list.truncated {
        output.note("there is more than is listed");
    }
    Ok(())
}

/// To a file, which is there only when all of it came; into a device or a pipe; or to standard output, unless a terminal would have to show it raw.
async fn save(mut content: FileStream, to: Option<&Path>, output: &Output) -> Result<(), CliError> {
    let Some(to) = to else {
        let is_terminal = io::stdout().is_terminal();
        let mut held = Vec::new();
        while let Some(part) = content.next().await {
            let part = part?;
            match is_terminal {
                true => output.raw(whole_lines(&mut held, &part).as_bytes())?,
                false => output.raw(&part)?,
            }
        }
        return Ok(output.raw(shown(&held).as_bytes())?);
    };
    let found = fs::metadata(to).ok();
    if found.as_ref().is_some_and(|found| !found.is_file()) {
        // It stays what it is: a file in place of /dev/null would be everyone's.
        return write(&mut content, &mut fs::File::options().write(true).open(to)?).await;
    }
    // A link stays, too.
    let to = &found.and_then(|_| to.canonicalize().ok()).unwrap_or_else(|| to.to_owned());
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fresh = directory.join(format!(".parallax-{}", uuid::Uuid::new_v4()));
    let written = write_new(&mut content, &fresh).await.and_then(|()| Ok(fs::rename(&fresh, to)?));
    if written.is_err() {
        // Half of it is of no use.
        fs::remove_file(&fresh).ok();
    }
    written
}

/// What a terminal shows, which must not control it.
fn shown(bytes: &[u8]) -> String {
    clean(&String::from_utf8_lossy(bytes))
}

/// What is to be shown when this part comes. The beginning of a line is held until the rest of it is there, so that neither a character nor
/// a line's end is cut, unless it is very long.
fn whole_lines(held: &mut Vec<u8>, part: &[u8]) -> String {
    held.extend_from_slice(part);
    let end = match held.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => last + 1,
        None if held.len() > LONGEST_LINE => held.len(),
        None => 0,
    };
    let lines = shown(&held[..end]);
    held.drain(..end);
    lines
}

async fn write_new(content: &mut FileStream, to: &Path) -> Result<(), CliError> {
    let mut file = fs::File::options().write(true).create_new(true).open(to)?;
    write(content, &mut file).await?;
    Ok(file.sync_all()?)
}

async fn write(content: &mut FileStream, file: &mut fs::File) -> Result<(), CliError> {
    while let Some(part) = content.next().await {
        file.write_all(&part?)?;
    }
    Ok(())
}

fn read(file: &str) -> Result<Vec<u8>, CliError> {
    let source: Box<dyn Read> = match file {
        "-" => Box::new(io::stdin().lock()),
        file => Box::new(
            fs::File::open(file)
                .map_err(|error| CliError::Usage(format!("{file} cannot be read: {error}")))?,
        ),
    };
    let mut content = Vec::new();
    source.take(MAX_FILE as u64 + 1).read_to_end(&mut content)?;
    if content.len() > MAX_FILE {
        return Err(Problem::new(Code::PayloadTooLarge, format!("at most {MAX_FILE} bytes at once")).into());
    }
    Ok(content)
}

fn name_of(file: &str) -> Result<String, CliError> {
    let name = Path::new(file).file_name().and_then(|name| name.to_str()).filter(|_| file != "-");
    name.map(str::to_owned)
        .ok_or_else(|| CliError::Usage("say where to put it: parallax files put AGENT FILE PATH".into()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileTypeExt;
    use std::process::Command;

    use futures::stream;

    use super::*;

    fn content() -> FileStream {
        stream::iter([Ok("new ".into()), Ok("text".into())]).boxed()
    }

    #[test]
    fn a_part_may_end_anywhere() {
        let text = "日本\r\nü\u{1b}]\r\n\nend";
        for length in 1..text.len() {
            let mut held = Vec::new();
            let mut all: String =
                text.as_bytes().chunks(length).map(|part| whole_lines(&mut held, part)).collect();
            all += &shown(&held);
            assert_eq!(all, "日本\nü^[]\n\nend", "{length}");
        }
        assert_eq!(whole_lines(&mut Vec::new(), &[b'x'; LONGEST_LINE + 1]).len(), LONGEST_LINE + 1);
    }

    #[tokio::test]
    async fn only_a_file_is_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        let output = Output::new(false);
        fs::write(at("old"), "a longer old text").expect("written");
        std::os::unix::fs::symlink("old", at("link")).expect("linked");
        for name in ["fresh", "link", "old"] {
            save(content(), Some(&at(name)), &output).await.expect(name);
            assert_eq!(fs::read_to_string(at(name)).expect("readable"), "new text", "{name}");
        }
        assert!(at("link").is_symlink());

        let pipe = at("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).expect("readable")
        });
        save(content(), Some(&pipe), &output).await.expect("into the pipe");
        assert_eq!(reader.join().expect("joined"), "new text");
        assert!(fs::metadata(&pipe).expect("it is there").file_type().is_fifo());
        assert!(save(content(), Some(dir.path()), &output).await.is_err(), "a directory");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 4, "nothing half is left");
    }
}
