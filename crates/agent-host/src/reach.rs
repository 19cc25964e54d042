//! `parallax-agent-host reach`: tells what can be connected to from where it runs, for whoever checks a container's network.

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use parallax_api::host::Reached;

/// How long one connection may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The most targets of one call: each is a thread.
const MAX_TARGETS: usize = 32;

/// Connects to each of `targets` (`HOST:PORT`) at once and prints a [`Reached`] a line, in their order.
///
/// # Errors
/// For too many targets, and when nothing can be printed.
pub fn run(targets: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(targets.len() <= MAX_TARGETS, "at most {MAX_TARGETS} targets");
    let tries: Vec<_> = targets.iter().cloned().map(|target| thread::spawn(move || reach(target))).collect();
    let mut out = io::stdout().lock();
    for tried in tries {
        let tried = tried.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?;
        writeln!(out, "{}", serde_json::to_string(&tried)?)?;
    }
    Ok(out.flush()?)
}

fn reach(target: String) -> Reached {
    let connect = || -> io::Result<()> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in target.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    let error = connect().err().map(|error| error.to_string());
    Reached { target, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_is_reached() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap().to_string();
        assert_eq!(reach(target.clone()), Reached { target: target.clone(), error: None });
        drop(listener);
        assert!(reach(target).error.is_some());
        assert!(reach("no-such-name.invalid:1".into()).error.is_some());
    }
}
