//! Ports of agents, through a control plane: given, listed, and proxied to nobody who should not have them.

use std::fs;
use std::path::PathBuf;

use futures::{SinkExt, StreamExt};
use parallax_api::ports::{PortRange, PortReach};
use parallax_api::{Code, SpawnRequest};
use parallax_testkit::local::Directory;
use parallax_testkit::parallax::parallax;
use parallax_testkit::programs;
use parallax_testkit::server::reqwest_client;
use parallax_testkit::up::Up;
use parallax_testkit::user::Spawned;
use parallax_testkit::wait::{PATIENCE, until, within};
use reqwest::{Client, Method, Response, StatusCode, header, redirect};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

fn profiles(directory: &Directory) -> PathBuf {
    let profiles = directory.path().join("profiles");
    fs::create_dir_all(&profiles).expect("made");
    let shell = include_str!("../../examples/profiles/shell.toml");
    fs::write(profiles.join("shell.toml"), shell).expect("written");
    profiles
}

async fn up(directory: &Directory, options: &[&str], env: &[(&str, String)]) -> Up {
    Up::start_with(directory, &profiles(directory), options, env).await
}

fn shell(name: &str, ports: Option<u16>) -> SpawnRequest {
    SpawnRequest { name: name.into(), r#type: "shell".into(), ports, ..SpawnRequest::default() }
}

/// Has the agent serve on an address, and waits until it does.
async fn serve(agent: &Spawned, address: &str) {
    let program = programs::program("parallax-fake-agent");
    agent.say(format!("{} --serve {address} >/dev/null 2>&1 &", program.display())).await;
    let port: u16 = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    until("the agent's server to listen", PATIENCE, async || {
        let ports = agent.client.ports(&agent.id).await.expect("they are listed");
        let listens = ports.listeners.iter().any(|one| one.port == port && one.own);
        if listens { Ok(()) } else { Err(ports) }
    })
    .await;
}

fn range(agent: &parallax_api::Agent) -> PortRange {
    agent.ports.expect("it asked for ports")
}

/// A client that follows no redirects.
fn direct() -> Client {
    drop(reqwest_client());
    let client = Client::builder().no_proxy().tls_certs_only([]).redirect(redirect::Policy::none());
    client.build().expect("a client")
}

async fn code(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.expect("a problem");
    (status, problem["code"].as_str().expect("a code").to_owned())
}

/// Each agent has its own, also after the server was killed; what it asked for twice is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_agent_has_ports_of_its_own() {
    let directory = Directory::new();
    let space = ["--agent-ports", "21000-21011"];
    let mut up = up(&directory, &space, &[]).await;
    let one = up.user().spawn_ready(shell("one", Some(4))).await;
    let two = up.user().spawn_ready(shell("two", Some(4))).await;
    let (first, second) = (range(&one.agent().await), range(&two.agent().await));
    assert!(!first.overlaps(second), "{first} {second}");
    for range in [first, second] {
        assert!((21_000..=21_008).contains(&range.first) && range.last == range.first + 3, "{range}");
    }
    assert_eq!(one.say("echo $PORT $PORTS").await, format!("{} {}", first.first, first.list()));

    // Without the field nothing is reserved, and a variable is a variable.
    let mut request = shell("plain", None);
    request.env.insert("PORT".into(), "3000".into());
    let plain = up.user().spawn_ready(request).await;
    assert_eq!((plain.agent().await.ports, plain.say("echo $PORT-$PORTS").await), (None, "3000-".into()));
    let mut both = shell("both", Some(1));
    both.env.insert("PORT".into(), "3000".into());
    for (request, field) in
        [(both, "env"), (shell("none", Some(0)), "ports"), (shell("many", Some(17)), "ports")]
    {
        let problem = up.user().spawn_refused(&request).await;
        assert_eq!((problem.code, &problem.more["field"]), (Code::Validation, &json!(field)));
    }

    up.server.kill().await;
    up.server.start(&[]).await;
    let one = up.user().follow(one.id.clone()).await;
    until("the agents to be found again", PATIENCE, async || one.client.ports(&one.id).await.map(|_| ()))
        .await;
    assert_eq!(range(&one.agent().await), first);
    // There may be room for four more, in one place or in none.
    let three = up.user().client.spawn(&shell("three", Some(4))).await;
    match three {
        Ok(three) => {
            let third = range(&three);
            assert!(!third.overlaps(first) && !third.overlaps(second), "{first} {second} {third}");
        }
        Err(problem) => assert_eq!(problem.code, Code::ResourceLimit, "{problem:?}"),
    }
    let problem = up.user().spawn_refused(&shell("greedy", Some(13))).await;
    assert_eq!((problem.code, &problem.more["field"]), (Code::ResourceLimit, &json!("ports")));
    // The ports of an agent that has ended are others'.
    one.stop().await;
    let again = up.user().spawn_ready(shell("again", Some(4))).await;
    assert!(!range(&again.agent().await).overlaps(second));
}

/// HTTP and WebSockets, to what the agent serves and to nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_serves_is_proxied() {
    let directory = Directory::new();
    let up = up(&directory, &[], &[]).await;
    let agent = up.user().spawn_ready(shell("server", Some(2))).await;
    let other = up.user().spawn_ready(shell("other", Some(2))).await;
    let (own, others) = (range(&agent.agent().await), range(&other.agent().await));
    let at = |port: u16, path: &str| format!("{}/agents/{}/ports/{port}/{path}", up.server.url(), agent.id);
    let http = direct();
    let get =
        async |url: String| within("an answer", PATIENCE, http.get(url).send()).await.expect("an answer");

    let nobody = code(get(at(own.first, "")).await).await;
    assert_eq!(nobody, (404, "NOT_FOUND".into()), "nobody listens yet");
    serve(&agent, &format!("127.0.0.1:{}", own.first)).await;
    serve(&other, &format!("0.0.0.0:{}", others.first)).await;

    // Who listens.
    let ports = agent.client.ports(&agent.id).await.expect("they are listed");
    assert_eq!(ports.range, Some(own));
    let listener = ports.listeners.iter().find(|one| one.port == own.first).expect("it listens");
    assert_eq!((listener.reach, listener.process.as_deref()), (PortReach::Loopback, Some("parallax-fake-a")));
    assert!(listener.pid.is_some() && ports.listeners.iter().all(|one| one.port != others.first));
    let shown = parallax(&up.server.url(), &["ports", "server"]).await.succeeded();
    assert!(shown.out.contains(&own.first.to_string()) && shown.out.contains("loopback"), "{shown:?}");

    // Somebody else of the machine has taken a port of its range: it is told, and is not the agent's.
    let stranger = std::net::TcpListener::bind(("127.0.0.1", own.last)).expect("nobody listens there");
    let ports = agent.client.ports(&agent.id).await.expect("they are listed");
    let listener = ports.listeners.iter().find(|one| one.port == own.last).expect("it listens");
    assert!(!listener.own, "{listener:?}");
    assert_eq!(code(get(at(own.last, "")).await).await, (404, "NOT_FOUND".into()));
    drop(stranger);

    // What is asked, and what is not told to the agent.
    let request = http
        .post(at(own.first, "a%20b/..%2fc?x=1&ticket=secret&y=2"))
        .header("authorization", "Bearer secret")
        .header("cookie", "session=secret")
        .header("x-forwarded-access-token", "secret")
        .header("accept", "text/html")
        .body("a body");
    let answer = within("an answer", PATIENCE, request.send()).await.expect("an answer");
    let headers = answer.headers().clone();
    let text = answer.text().await.expect("text");
    assert!(text.starts_with("POST /a%20b/..%2fc?x=1&y=2\n") && text.ends_with("a body"), "{text}");
    assert!(
        !text.contains("secret") && !text.contains("authorization") && !text.contains("cookie"),
        "{text}"
    );
    assert!(
        text.contains(&format!("host: localhost:{}\n", own.first)) && text.contains("accept: text/html\n")
    );
    let policy = headers["content-security-policy"].to_str().expect("text");
    assert!(
        policy.starts_with("sandbox ") && !policy.contains("allow-same-origin") && !policy.contains("report")
    );
    for name in ["set-cookie", "service-worker-allowed", "clear-site-data", "access-control-allow-origin"] {
        assert!(!headers.contains_key(name), "{name}: {headers:?}");
    }

    // A response streams.
    let mut stream = get(at(own.first, "stream")).await;
    let part = within("the first part", PATIENCE, stream.chunk()).await.expect("a part").expect("a part");
    assert_eq!(&part[..], b"one\n");
    assert_eq!(get(at(own.first, "go")).await.status(), StatusCode::OK);
    let part = within("the second part", PATIENCE, stream.chunk()).await.expect("a part").expect("a part");
    assert_eq!(&part[..], b"two\n");

    // A WebSocket.
    let socket = at(own.first, "ws").replacen("http", "ws", 1);
    let (mut socket, _) = within("the socket", PATIENCE, connect_async(&socket)).await.expect("it opens");
    for message in [Message::text("hello"), Message::binary(vec![7; 100_000])] {
        socket.send(message.clone()).await.expect("sent");
        assert_eq!(
            within("the echo", PATIENCE, socket.next()).await.expect("a frame").expect("a frame"),
            message
        );
    }
    drop(socket);

    // Redirects stay where they are, and lead nowhere else in this server.
    let location = async |to: &str| {
        let answer = get(at(own.first, &format!("redirect?{to}"))).await;
        answer.headers().get(header::LOCATION).map(|value| value.to_str().expect("text").to_owned())
    };
    let prefix = format!("/agents/{}/ports/{}/", agent.id, own.first);
    assert_eq!(location("/login").await, Some(format!("{prefix}login")));
    assert_eq!(location(&format!("http://127.0.0.1:{}/x", own.first)).await, Some(format!("{prefix}x")));
    assert_eq!(location("../../../../api/managed-agents").await, Some(format!("{prefix}api/managed-agents")));
    assert_eq!(location(&format!("{}/api/managed-agents", up.server.url())).await, None);
    let slashless = get(at(own.first, "").trim_end_matches('/').to_owned()).await;
    assert_eq!(
        (slashless.status().as_u16(), slashless.headers()["location"].to_str().ok()),
        (307, Some(prefix.as_str()))
    );

    // Not others' ports, not this server, not what else listens on the machine; but whatever the agent itself has.
    let foreign = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server: u16 =
        up.server.address().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    for port in [others.first, foreign.local_addr().expect("an address").port(), server, 22, 1] {
        assert_eq!(code(get(at(port, "")).await).await, (404, "NOT_FOUND".into()), "{port}");
    }
    let free = parallax_testkit::server::free_port();
    serve(&agent, &format!("127.0.0.1:{free}")).await;
    assert!(get(at(free, "x")).await.text().await.expect("text").starts_with("GET /x\n"));
    let through_other = at(free, "x").replace(agent.id.as_str(), other.id.as_str());
    assert_eq!(code(get(through_other).await).await.0, 404);
    for path in ["0", "65536", "+80", "0080", "a"] {
        let url = format!("{}/agents/{}/ports/{path}/", up.server.url(), agent.id);
        assert_eq!(code(get(url).await).await, (404, "NOT_FOUND".into()), "{path}");
    }
    let large =
        http.post(at(own.first, "")).body(vec![b'x'; 8 * 1024 * 1024 + 1]).send().await.expect("an answer");
    assert_eq!(code(large).await, (413, "PAYLOAD_TOO_LARGE".into()));

    agent.stop().await;
    assert_eq!(code(get(at(own.first, "")).await).await, (409, "AGENT_STOPPED".into()));
}

/// A browser: sent on to a path with a key, which opens this port and nothing else, for pages without an origin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_an_agent_has_its_own_key_and_no_origin() {
    let directory = Directory::new();
    let tokens = directory.path().join("tokens");
    fs::write(&tokens, "admin boss\nview watcher\n").expect("written");
    let up = up(&directory, &["--token-file", &tokens.to_string_lossy()], &[]).await;
    let http = direct();
    let base = up.server.url();
    let call = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let mut request = http.request(method, format!("{base}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        within("an answer", PATIENCE, request.send()).await.expect("an answer")
    };
    let boss = ("authorization", "Bearer boss");
    let spawned: Value = http
        .post(format!("{base}/api/managed-agents"))
        .bearer_auth("boss")
        .json(&json!({"name": "server", "type": "shell", "ports": 1}))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("an agent");
    let (id, port) =
        (spawned["id"].as_str().expect("an id"), spawned["ports"]["first"].as_u64().expect("a port"));
    let user =
        parallax_api::client::Client::control_plane(&base, Some("boss".to_owned().into())).expect("a client");
    let agent = parallax_testkit::user::User { client: user }.follow(id.parse().expect("an id")).await;
    let mut agent = agent;
    agent.becomes(parallax_api::AgentStatus::Ready).await;
    serve(&agent, &format!("127.0.0.1:{port}")).await;
    let prefix = format!("/agents/{id}/ports/{port}/");

    // Programs show their token with every request; who may only watch may not.
    assert_eq!(call(Method::GET, &prefix, &[boss]).await.status(), StatusCode::OK);
    assert_eq!(code(call(Method::GET, &prefix, &[]).await).await, (401, "UNAUTHORIZED".into()));
    let watcher = ("authorization", "Bearer watcher");
    assert_eq!(code(call(Method::GET, &prefix, &[watcher]).await).await, (403, "FORBIDDEN".into()));

    // A browser comes with a ticket.
    let ticket = async || {
        let ticket: Value = call(Method::POST, "/api/tickets", &[boss]).await.json().await.expect("a ticket");
        ticket["ticket"].as_str().expect("a ticket").to_owned()
    };
    let navigates =
        [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-site", "same-origin")];
    let first = ticket().await;
    let opened = call(Method::GET, &format!("{prefix}a/b?x=1&ticket={first}"), &navigates).await;
    assert_eq!(
        (opened.status().as_u16(), &opened.headers()["referrer-policy"]),
        (307, &"no-referrer".parse().expect("a value"))
    );
    let keyed = opened.headers()["location"].to_str().expect("text").to_owned();
    assert!(keyed.starts_with(&format!("{prefix}~")) && keyed.ends_with("/a/b?x=1"), "{keyed}");
    let root = keyed.trim_end_matches("a/b?x=1").to_owned();
    let again = call(Method::GET, &format!("{prefix}?ticket={first}"), &navigates).await;
    assert_eq!(code(again).await.0, 401, "a ticket works once");

    // The page, and what it loads and sends: its origin is nobody's.
    let page = call(Method::GET, &keyed, &navigates).await;
    let text = page.text().await.expect("text");
    assert!(
        text.starts_with("GET /a/b?x=1\n")
            && text.contains(&format!("x-forwarded-prefix: {}\n", root.trim_end_matches('/')))
    );
    let sandboxed = [("origin", "null"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
    let sent = call(Method::POST, &format!("{root}save"), &sandboxed).await;
    assert_eq!(
        (sent.status().as_u16(), &sent.headers()["access-control-allow-origin"]),
        (200, &"null".parse().expect("a value"))
    );
    let text = sent.text().await.expect("text");
    assert!(text.contains(&format!("origin: http://localhost:{port}\n")), "{text}");
    let preflight = [("origin", "null"), ("access-control-request-method", "PUT")];
    assert_eq!(call(Method::OPTIONS, &root, &preflight).await.status(), StatusCode::NO_CONTENT);
    let mut socket =
        format!("{}{root}ws", base.replacen("http", "ws", 1)).into_client_request().expect("a request");
    socket.headers_mut().insert("origin", "null".parse().expect("a value"));
    let (mut socket, _) = within("the socket", PATIENCE, connect_async(socket)).await.expect("it opens");
    socket.send(Message::text("hello")).await.expect("sent");
    let echo = within("the echo", PATIENCE, socket.next()).await.expect("a frame").expect("a frame");
    assert_eq!(echo, Message::text("hello"));

    // The key opens nothing else, and neither does having no origin.
    for path in [
        "/api/managed-agents".to_owned(),
        format!("/api/managed-agents/{id}/ports"),
        prefix.clone(),
        root.replace(&format!("/ports/{port}/"), "/ports/22/"),
        root.replace(id, "0198c5a2-7d0e-7c3a-9a51-1f2e3d4c5b6a"),
        format!("{prefix}~0123456789abcdef0123456789abcdef/"),
        format!("/api/managed-agents/~{}", root.rsplit('~').next().expect("a key")),
    ] {
        assert_eq!(
            code(call(Method::GET, &path, &sandboxed).await).await,
            (403, "FORBIDDEN".into()),
            "{path}"
        );
        assert_eq!(call(Method::GET, &path, &[]).await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    // What leads up from there is the agent's own path.
    let up_path = call(Method::GET, &format!("{root}..%2f..%2fapi"), &sandboxed).await;
    assert!(up_path.text().await.expect("text").starts_with("GET /..%2f..%2fapi\n"));
    for origin in ["http://evil.example", "http://localhost:1"] {
        assert_eq!(code(call(Method::GET, &root, &[("origin", origin)]).await).await.0, 403, "{origin}");
    }
    assert_eq!(code(call(Method::GET, &root, &[("host", "evil.example")]).await).await.0, 403);
    // A link of another page may not make an agent do something.
    let second = ticket().await;
    let link =
        [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-site", "cross-site")];
    let linked = call(Method::GET, &format!("{prefix}delete?ticket={second}"), &link).await;
    assert_eq!(code(linked).await, (403, "FORBIDDEN".into()));
    let evil = connect_async(format!("{}{prefix}ws", base.replacen("http", "ws", 1))).await;
    match evil {
        // A socket that is refused is closed with the reason.
        Ok((mut socket, _)) => {
            let closed =
                within("the close", PATIENCE, socket.next()).await.expect("a frame").expect("a frame");
            assert!(matches!(closed, Message::Close(_)), "{closed:?}");
        }
        Err(Error::Http(answer)) => assert_eq!(answer.status().as_u16(), 401),
        Err(error) => panic!("{error}"),
    }
    assert!(!up.server.log_tail().contains(root.rsplit('~').next().expect("a key").trim_end_matches('/')));
}

/// A server that is told not to proxies nothing; the list is another matter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_proxy_nothing() {
    let directory = Directory::new();
    let up = up(&directory, &["--proxy-ports=false"], &[]).await;
    let agent = up.user().spawn_ready(shell("server", Some(1))).await;
    let port = range(&agent.agent().await).first;
    serve(&agent, &format!("127.0.0.1:{port}")).await;
    let url = format!("{}/agents/{}/ports/{port}/", up.server.url(), agent.id);
    let answer = within("an answer", PATIENCE, direct().get(url).send()).await.expect("an answer");
    assert_eq!(code(answer).await, (403, "FORBIDDEN".into()));
}
