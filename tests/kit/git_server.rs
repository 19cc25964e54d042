//! A git server over HTTP that wants a name and a password: `git http-backend` behind a small gate.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// The header of `git:secret-token`, and the words themselves.
const AUTHORIZATION: &str = "basic Z2l0OnNlY3JldC10b2tlbg==";
/// The password that it takes.
pub const PASSWORD: &str = "secret-token";

/// A server of the repositories below one directory. It serves until the test's process ends.
pub struct GitServer {
    /// Where it listens, `HOST:PORT`.
    pub host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl GitServer {
    /// Serves the repositories below `root`.
    pub fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface has a free port");
        let host = listener.local_addr().expect("it listens").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (root, seen) = (root.to_owned(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, seen) = (root.clone(), seen.clone());
                // A client that goes away has had its answer, or wants none.
                std::thread::spawn(move || drop(serve(stream, &root, &seen)));
            }
        });
        Self { host, asked }
    }

    /// The URL of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.host)
    }

    /// What it was asked for, each as `METHOD PATH STATUS`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nothing panics while it is locked").clone()
    }
}

fn serve(stream: TcpStream, root: &PathBuf, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let [method, target, ..] = words.as_slice() else { return Ok(()) };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let of = |name: &str| headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    let mut stream = stream;
    let is_known = of("authorization").eq_ignore_ascii_case(AUTHORIZATION);
    let status = if is_known { "200" } else { "401" };
    asked.lock().expect("nothing panics while it is locked").push(format!("{method} {path} {status}"));
    if !is_known {
        return stream.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    if of("expect").eq_ignore_ascii_case("100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    let length: u64 = of("content-length").parse().unwrap_or(0);
    reader.take(length).read_to_end(&mut body)?;
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "git")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", of("content-type"))
        .env("CONTENT_LENGTH", length.to_string())
        .env("HTTP_CONTENT_ENCODING", of("content-encoding"))
        .env("GIT_PROTOCOL", of("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    backend.stdin.take().expect("it is piped").write_all(&body)?;
    let output = backend.wait_with_output()?.stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(output.len());
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let code = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let content = &output[(end + 4).min(output.len())..];
    write!(
        stream,
        "HTTP/1.1 {code}\r\n{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    )?;
    stream.write_all(content)
}
