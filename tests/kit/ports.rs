//! What an agent with a network of its own serves there, reached through its host.

use parallax_api::SpawnRequest;
use parallax_api::ports::PortRange;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::backend::TestBackend;
use crate::wait::{PATIENCE, until};

/// A server of Debian's own perl: answers one line, with the first line that it was asked.
const SERVER: &str = r#"perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(LocalAddr=>"127.0.0.1",LocalPort=>$ENV{PORT},Listen=>5,ReuseAddr=>1) or die; while($c=$s->accept){$l=<$c>; $l=~s/\s+$//; print $c "served $l\n"; close $c}' >/dev/null 2>&1 &"#;

/// A loopback server of an agent is listed and reached; the host's own port beside it is not.
pub async fn what_is_served_is_reached_through_the_host(backend: &impl TestBackend) {
    let request = SpawnRequest {
        name: "server".into(),
        r#type: "shell".into(),
        ports: Some(2),
        ..SpawnRequest::default()
    };
    let agent = backend.user().spawn_ready(request).await;
    let range = PortRange { first: 20_000, last: 20_001 };
    assert_eq!(agent.agent().await.ports, Some(range));
    assert_eq!(agent.say("echo $PORT $PORTS").await, "20000 20000 20001");
    agent.say(SERVER).await;
    until("the agent's server to listen", PATIENCE, async || {
        let ports = agent.client.ports(&agent.id).await.expect("they are listed");
        match ports.listeners.as_slice() {
            [one] if one.port == 20_000 && one.own && one.process.as_deref() == Some("perl") => Ok(()),
            _ => Err(ports),
        }
    })
    .await;
    let answer = tunnel(&backend.url(), agent.id.as_str(), 20_000, "hello\n").await;
    let (head, served) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(served, "served hello\n");
    // Nobody listens, or the host does.
    for port in [20_001, 3110, 1] {
        let answer = tunnel(&backend.url(), agent.id.as_str(), port, "").await;
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("NOT_FOUND"), "{port}: {answer}");
    }
}

/// All that comes back over a tunnel to the port, its head included.
async fn tunnel(runtime: &str, agent: &str, port: u16, sent: &str) -> String {
    let address = runtime.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let upgrade = "connection: upgrade\r\nupgrade: parallax-tunnel\r\n";
    let head =
        format!("GET /api/agents/{agent}/ports/{port}/tunnel HTTP/1.1\r\nhost: {address}\r\n{upgrade}\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let mut is_sent = false;
    let read = async {
        loop {
            let count = stream.read(&mut buffer).await.expect("read");
            answer.extend_from_slice(&buffer[..count]);
            let text = String::from_utf8_lossy(&answer).into_owned();
            let refused =
                text.contains("\r\n\r\n") && !text.starts_with("HTTP/1.1 101") && text.ends_with('}');
            if count == 0 || refused {
                return text;
            }
            if !is_sent && text.contains("\r\n\r\n") {
                stream.write_all(sent.as_bytes()).await.expect("sent");
                is_sent = true;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("an answer")
}
