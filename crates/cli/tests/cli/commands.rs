use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use parallax_testkit::parallax::{finish, parallax, program};
use parallax_testkit::pty::Terminal;
use parallax_testkit::wait::PATIENCE;
use serde_json::{Value, json};

use super::{ID, agent, serve};

/// The bodies that arrived.
type Bodies = Arc<Mutex<Vec<Value>>>;

fn list(agents: &[Value]) -> Router {
    let answer = json!({"agents": agents, "count": agents.len()});
    Router::new().route("/api/managed-agents", get(async move || Json(answer.clone())))
}

/// A list of one agent called `one`, and a route below it that keeps bodies and gives this answer.
fn with_route(path: &str, status: StatusCode, answer: Value) -> (Router, Bodies) {
    let bodies = Bodies::default();
    let handler = async move |State(bodies): State<Bodies>, Json(body): Json<Value>| {
        bodies.lock().expect("unlocked").push(body);
        (status, Json(answer.clone())).into_response()
    };
    let route = Router::new().route(&format!("/api/managed-agents/{ID}{path}"), post(handler));
    (list(&[agent(ID, "one", "ready")]).merge(route.with_state(bodies.clone())), bodies)
}

#[tokio::test]
async fn ls_is_a_table_and_json() {
    let mut asking = agent("01900000-0000-7000-8000-00000000000b", "asks\u{1b}[2J", "busy");
    asking["attention"] =
        json!({"id": "q", "kind": "question", "text": "Run\nit?", "since": "2026-01-01T00:00:00Z"});
    asking["queued"] = json!(2);
    asking["workdir"] = json!("/\u{9b}31m");
    let url = serve(list(&[agent(ID, "one", "ready"), asking, agent("0190", "gone", "stopped")])).await;

    let run = parallax(&url, &["ls"]).await.succeeded();
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(lines[0].starts_with("ID "), "{}", run.out);
    let column = lines[0].find("STATUS").expect("a column");
    assert_eq!([&lines[1][column..column + 5], &lines[2][column..column + 4]], ["ready", "busy"]);
    assert!(lines[2].ends_with("question: Run it?; 2 queued"), "{}", run.out);
    assert_eq!(lines.len(), 3, "stopped ones only with --all: {}", run.out);
    assert!(!run.out.contains('\u{1b}'), "neither colour nor what a name holds");
    // The ids shown tell the agents apart.
    assert_ne!(lines[1].split(' ').next(), lines[2].split(' ').next());

    assert_eq!(parallax(&url, &["ls", "--all", "--json"]).await.succeeded().json()["count"], 3);
    let terminal = Terminal::run(&program(&url, &["ls", "--json"]));
    terminal.shows("\"/\\u009b31m\"").await;
    assert_eq!(terminal.ends().await, 0);
    assert_eq!(parallax(&url, &["ls", "-q"]).await.succeeded().out.lines().next(), Some(ID));
}

#[tokio::test]
async fn spawn_sends_what_was_said_and_nothing_else() {
    let bodies = Bodies::default();
    let handler = async |State(bodies): State<Bodies>, headers: HeaderMap, Json(body): Json<Value>| {
        assert_eq!(headers["authorization"], "Bearer s3cret");
        bodies.lock().unwrap().push(body);
        (StatusCode::CREATED, Json(agent(ID, "reviewer", "starting")))
    };
    let router = Router::new().route("/api/managed-agents", post(handler)).with_state(bodies.clone());
    // An ended agent of that name does not count.
    let url = serve(list(&[agent("0190", "reviewer", "stopped")]).merge(router)).await;
    let directory = tempfile::tempdir().expect("directory");

    let args = [
        "spawn",
        "claude",
        "reviewer",
        "-e",
        "FROM_HERE",
        "-e",
        "KEY=a=b",
        "-l",
        "team=x",
        "--capability",
        "review",
        "--approvals",
        "edits",
        "--memory",
        "512m",
        "--size",
        "100x30",
        "--idle-timeout",
        "5m",
        "--",
        "--flag",
    ];
    let mut command = program(&url, &args);
    command.env("FROM_HERE", "value").env("PARALLAX_API_TOKEN", "s3cret").current_dir(directory.path());
    let run = finish(command, "").await.succeeded();
    assert_eq!(
        (run.out.as_str(), run.err.as_str()),
        (&*format!("{ID}\n"), "reviewer is starting on local\n")
    );
    let body = bodies.lock().unwrap().remove(0);
    assert_eq!(
        body,
        json!({
            "name": "reviewer", "type": "claude", "capabilities": ["review"], "approvals": "edits", "args": ["--flag"],
            "workdir": directory.path().canonicalize().expect("path"), "labels": {"team": "x"},
            "env": {"FROM_HERE": "value", "KEY": "a=b"}, "resources": {"memory": "512m"},
            "terminal": {"cols": 100, "rows": 30}, "idleTimeoutSeconds": 300,
        })
    );

    let refused = parallax(&url, &["spawn", "claude", "x", "-e", "NOT_SET_ANYWHERE"]).await;
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("NOT_SET_ANYWHERE"), "{}", refused.err);
    assert!(bodies.lock().unwrap().is_empty(), "nothing was asked");
}

#[tokio::test]
async fn send_prints_the_answer() {
    let said = json!({"id": "m2", "agentId": ID, "role": "agent", "inReplyTo": "m1", "content": "# Yes\n\u{1b}[2Jwell\n",
                      "timestamp": "2026-01-01T00:00:00Z"});
    let (router, bodies) =
        with_route("/send", StatusCode::OK, json!({"sent": true, "messageId": "m1", "response": said}));
    let url = serve(router).await;

    let run = parallax(&url, &["send", "one", "is it?"]).await.succeeded();
    assert_eq!(run.out, "# Yes\n^[[2Jwell\n");
    // From standard input, named by the beginning of the id.
    let run =
        finish(program(&url, &["send", &ID[..20], "--timeout", "5s"]), "two\nlines\n").await.succeeded();
    assert_eq!(run.out, "# Yes\n^[[2Jwell\n");
    parallax(&url, &["send", ID, "--", "--dash"]).await;
    let seen = bodies.lock().unwrap().clone();
    let common = |message: &str, ms: u64| json!({"message": message, "expectResponse": true, "timeoutMs": ms, "whenBusy": "queue", "onQuestion": "wait"});
    assert_eq!(seen, [common("is it?", 600_000), common("two\nlines\n", 5000)]);
    assert_eq!(parallax(&url, &["send", "one", " "]).await.code, 2, "an empty message is not sent");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let cases = [
        (
            json!({"type": "t", "title": "T", "status": 409, "code": "QUESTION_PENDING", "detail": "it asks first",
                   "attention": {"id": "q", "kind": "question", "text": "Run it?", "since": "2026-01-01T00:00:00Z",
                                 "options": [{"id": "yes", "label": "Yes"}]}}),
            4,
            vec![
                "error: QUESTION_PENDING: it asks first",
                "Run it?",
                "yes  Yes",
                "`parallax answer AGENT --question q OPTION` answers",
            ],
        ),
        (
            json!({"type": "t", "title": "T", "status": 409, "code": "AUTH_REQUIRED", "detail": "log in",
                   "loginUrl": "https://x.example/login"}),
            4,
            vec!["https://x.example/login", "parallax attach"],
        ),
        (
            json!({"type": "t", "title": "T", "status": 504, "code": "TIMEOUT", "detail": "slow", "messageId": "m1"}),
            8,
            vec!["not lost", "parallax show"],
        ),
        (
            json!({"type": "t", "title": "T", "status": 429, "code": "RESOURCE_LIMIT", "detail": "the queue is full"}),
            6,
            vec!["the queue is full"],
        ),
    ];
    for (problem, code, words) in cases {
        let status = StatusCode::from_u16(problem["status"].as_u64().unwrap() as u16).unwrap();
        let (router, _) = with_route("/send", status, problem.clone());
        let url = serve(router).await;
        let run = parallax(&url, &["send", "one", "hi"]).await;
        assert_eq!((run.code, run.out.as_str()), (code, ""), "{}", run.err);
        for word in words {
            assert!(run.err.contains(word), "{word}: {}", run.err);
        }
        let run = parallax(&url, &["--json", "send", "one", "hi"]).await;
        assert_eq!(serde_json::from_str::<Value>(&run.err).expect("json")["code"], problem["code"]);
    }
}

#[tokio::test]
async fn nobody_there_and_nobody_meant() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    drop(listener);
    let run = parallax(&url, &["ls"]).await;
    assert_eq!(run.code, 7);
    assert!(run.err.contains("parallax up"), "{}", run.err);

    let url = serve(list(&[agent(ID, "twin", "ready"), agent("0190ffff", "twin", "ready")])).await;
    let run = parallax(&url, &["interrupt", "nobody"]).await;
    assert_eq!(run.code, 3);
    assert!(run.err.contains("AGENT_NOT_FOUND") && run.err.contains("parallax ls"), "{}", run.err);
    let run = parallax(&url, &["interrupt", "twin"]).await;
    assert_eq!(run.code, 2);
    assert!(run.err.contains(ID) && run.err.contains("0190ffff"), "{}", run.err);
    assert_eq!(parallax("nonsense://x", &["ls"]).await.code, 2);
}

#[tokio::test]
async fn answers_by_option_and_by_text() {
    let (router, bodies) = with_route("/answer", StatusCode::OK, agent(ID, "one", "busy"));
    let url = serve(router).await;
    parallax(&url, &["answer", "one", "yes"]).await.succeeded();
    parallax(&url, &["answer", "one", "--text", "a code"]).await.succeeded();
    assert_eq!(*bodies.lock().unwrap(), [json!({"option": "yes"}), json!({"text": "a code"})]);
    let run = parallax(&url, &["answer", "one"]).await;
    assert_eq!((run.code, run.err.contains("asks nothing")), (4, true), "{}", run.err);
}

/// An agent that asks `Run it?`, as the question `q1`.
fn asking() -> Value {
    let mut asking = agent(ID, "one", "busy");
    let options = json!([{"id": "yes", "label": "Yes"}, {"id": "no", "label": "No"}]);
    asking["attention"] = json!({"id": "q1", "kind": "permission", "text": "Run it?", "since": "2026-01-01T00:00:00Z", "options": options});
    asking
}

#[tokio::test]
async fn an_answer_names_the_question_that_was_shown_and_no_other() {
    let (answers, bodies) = with_route("/answer", StatusCode::OK, agent(ID, "one", "busy"));
    // Nobody here knows which question the user has seen.
    let url = serve(list(&[asking()]).fallback_service(answers)).await;
    parallax(&url, &["answer", "one", "yes"]).await.succeeded();
    parallax(&url, &["answer", "one", "--question", "q7", "yes"]).await.succeeded();
    assert_eq!(
        *bodies.lock().unwrap(),
        [json!({"option": "yes"}), json!({"attentionId": "q7", "option": "yes"})]
    );
    let run = parallax(&url, &["answer", "one"]).await;
    assert_eq!((run.code, run.err.contains("Run it?\n  yes  Yes\n")), (2, true), "{}", run.err);
    assert!(run.err.contains(&format!("parallax answer {ID} --question q1 OPTION")), "{}", run.err);
    let run = parallax(&url, &["answer", "one", "--question", "q7"]).await;
    assert_eq!((run.code, run.err.contains("QUESTION_CHANGED")), (4, true), "{}", run.err);
    assert!(run.err.contains("Run it?") && run.err.contains("--question q1 OPTION` answers"), "{}", run.err);
    assert_eq!(bodies.lock().unwrap().len(), 2, "nothing else was answered");
}

#[tokio::test]
async fn who_is_asked_answers_what_was_shown() {
    let (answers, bodies) = with_route("/answer", StatusCode::OK, agent(ID, "one", "busy"));
    let typed = Arc::new(tokio::sync::Notify::new());
    let is_typed = typed.clone();
    let agents = async move || {
        is_typed.notified().await;
        Json(json!({"agents": [asking()], "count": 1}))
    };
    let url = serve(Router::new().route("/api/managed-agents", get(agents)).fallback_service(answers)).await;
    let mut terminal = Terminal::run(&program(&url, &["answer", "one"]));
    // Before there is anything to see.
    terminal.types(b"yes\r");
    terminal.shows("yes").await;
    typed.notify_one();
    terminal.shows("Run it?").await;
    terminal.types(b"no\r");
    terminal.shows("one is busy").await;
    assert_eq!(terminal.ends().await, 0);
    assert_eq!(*bodies.lock().unwrap(), [json!({"attentionId": "q1", "option": "no"})]);
}

#[tokio::test]
async fn an_answer_to_a_run_says_to_which_question() {
    let at = "2026-01-01T00:00:00.000Z";
    let question = |id: &str, for_user: bool| {
        json!({"id": id, "kind": "approval", "step": "0", "text": format!("is {id} right?"), "since": at, "asked": [],
            "forUser": for_user, "options": [{"id": "approve", "label": "Approve"}]})
    };
    let run = json!({"id": "r1", "pattern": "team", "status": "running", "input": {}, "createdAt": at, "updatedAt": at,
        "steps": [], "questions": [question("q1", true), question("q2", false)], "agents": [],
        "metrics": {"durationMs": 1, "engineMs": 1, "messages": 1, "questions": 2, "agents": 0, "agentsAtOnce": 0}});
    let bodies = Bodies::default();
    let shown = run.clone();
    let answer = async move |State(bodies): State<Bodies>, Json(body): Json<Value>| {
        bodies.lock().unwrap().push(body);
        Json(run.clone())
    };
    let router = Router::new()
        .route("/api/executions/r1", get(async move || Json(shown.clone())))
        .route("/api/executions/r1/answer", post(answer))
        .with_state(bodies.clone());
    let url = serve(router).await;
    let how = "answer with: parallax runs r1 --question q1 --answer OPTION";
    let refused = parallax(&url, &["runs", "r1", "--answer", "approve"]).await;
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("is q1 right?") && refused.err.contains(how), "{}", refused.err);
    assert!(!refused.err.contains("q2") && bodies.lock().unwrap().is_empty(), "{}", refused.err);
    let told = parallax(&url, &["runs", "r1"]).await.succeeded().out;
    assert!(told.contains(how) && told.matches("answer with").count() == 1, "{told}");
    parallax(&url, &["runs", "r1", "--question", "q1", "--answer", "approve"]).await.succeeded();
    assert_eq!(*bodies.lock().unwrap(), [json!({"questionId": "q1", "option": "approve"})]);
}

#[tokio::test]
async fn stop_finds_all_before_it_stops_one() {
    let stopped = Arc::new(Mutex::new(Vec::new()));
    let handler = async |State(stopped): State<Arc<Mutex<Vec<String>>>>,
                         Path(id): Path<String>,
                         uri: axum::http::Uri| {
        stopped.lock().unwrap().push(format!("{id}?{}", uri.query().unwrap_or_default()));
        let mut agent = agent(&id, "x", "stopped");
        agent["exit"] = json!({"code": 0, "reason": "stopped", "at": "2026-01-01T00:00:00Z"});
        Json(agent)
    };
    let delete = Router::new().route("/api/managed-agents/{id}", axum::routing::delete(handler));
    let agents = [agent("a1", "one", "ready"), agent("a2", "two", "busy"), agent("a3", "old", "stopped")];
    let url = serve(list(&agents).merge(delete.with_state(stopped.clone()))).await;

    assert_eq!(parallax(&url, &["stop", "one", "typo"]).await.code, 3);
    assert!(stopped.lock().unwrap().is_empty());
    let run = parallax(&url, &["stop", "one", "--grace", "100ms", "--force"]).await.succeeded();
    assert_eq!(run.out, "x is stopped (stopped with code 0)\n");
    parallax(&url, &["stop", "--all"]).await.succeeded();
    let mut seen = stopped.lock().unwrap().clone();
    seen.sort();
    assert_eq!(
        seen,
        ["a1?graceMs=100&force=true", "a1?graceMs=5000&force=false", "a2?graceMs=5000&force=false"]
    );
}

#[tokio::test]
async fn all_are_stopped_when_nobody_reads_of_it() {
    let stopped = Arc::new(Mutex::new(0));
    let handler = async |State(stopped): State<Arc<Mutex<usize>>>, Path(id): Path<String>| {
        *stopped.lock().unwrap() += 1;
        let problem =
            json!({"type": "t", "title": "T", "status": 504, "code": "TIMEOUT", "detail": "it goes on"});
        match &*id {
            "bad" => (StatusCode::GATEWAY_TIMEOUT, Json(problem)),
            id => (StatusCode::OK, Json(agent(id, "x", "stopped"))),
        }
    };
    let delete = Router::new().route("/api/managed-agents/{id}", axum::routing::delete(handler));
    // More than are stopped at once.
    let mut agents: Vec<Value> =
        (0..40).map(|n| agent(&format!("a{n}"), &format!("n{n}"), "ready")).collect();
    let delete = delete.with_state(stopped.clone());
    for (count, code) in [(40, 0), (41, 8)] {
        let url = serve(list(&agents).merge(delete.clone())).await;
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = program(&url, &["stop", "--all"]).stdout(writer).stderr(Stdio::null()).status();
        let status = tokio::time::timeout(PATIENCE, status).await.expect("it ends").expect("it runs");
        let stopped = std::mem::take(&mut *stopped.lock().unwrap());
        assert_eq!((status.code(), stopped), (Some(code), count));
        // A failure is told all the same.
        agents.push(agent("bad", "bad", "ready"));
    }
}

#[tokio::test]
async fn show_tells_what_can_be_told() {
    let json = |value: Value| get(async move || Json(value.clone()));
    let gone = get(async || {
        let problem =
            json!({"type": "t", "title": "T", "status": 409, "code": "AGENT_STOPPED", "detail": "it ended"});
        (StatusCode::CONFLICT, Json(problem))
    });
    let messages = json!({"messages": [{"id": "m1", "agentId": ID, "role": "user", "content": "hello",
                          "timestamp": "2026-01-01T00:00:00Z", "state": "answered"}]});
    let router = Router::new()
        .route(&format!("/api/managed-agents/{ID}"), json(agent(ID, "one", "ready")))
        .route(&format!("/api/managed-agents/{ID}/status"), gone.clone())
        .route(&format!("/api/managed-agents/{ID}/metrics"), gone)
        .route(&format!("/api/managed-agents/{ID}/messages"), json(messages));
    let url = serve(router).await;
    let run = parallax(&url, &["show", ID]).await.succeeded();
    assert!(run.out.contains("status       ready\n") && run.out.contains("answered\nhello\n"), "{}", run.out);
    let shown = parallax(&url, &["show", ID, "--json"]).await.succeeded().json();
    assert_eq!((shown["id"].as_str(), shown["messages"][0]["content"].as_str()), (Some(ID), Some("hello")));
    assert_eq!(shown["status"], "ready");
}

#[tokio::test]
async fn doctor_says_what_is_missing_and_what_to_do() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("directory");
    let claude = directory.path().join("claude");
    std::fs::write(&claude, "#!/bin/sh\necho '2.1.330 (Claude Code)'\n").expect("written");
    std::fs::set_permissions(&claude, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    drop(listener);

    let mut command = program(&url, &["doctor", "--json", "--state-dir"]);
    command.arg(directory.path().join("state")).env("PATH", directory.path());
    let checks = finish(command, "").await.json();
    let check = |what: &str| {
        let check = checks.as_array().expect("a list").iter().find(|check| check["what"] == what);
        check.unwrap_or_else(|| panic!("{what}: {checks}")).clone()
    };
    assert_eq!(check("claude")["state"], "good");
    assert_eq!(check("- claude login")["state"], "note", "no key, no file");
    assert!(
        check("claude")["found"].as_str().is_some_and(|found| found.starts_with("2.1.330 (Claude Code)"))
    );
    assert_eq!(check("codex")["state"], "note");
    assert!(check("codex")["advice"].as_str().is_some_and(|advice| advice.contains("npm install")));
    assert_eq!(check("state")["state"], "good");
    assert!(check("control plane")["advice"].as_str().is_some_and(|advice| advice.contains("parallax up")));

    let mut command = program(&url, &["doctor"]);
    command.env("PATH", "/nonexistent");
    let run = finish(command, "").await;
    assert_eq!(run.code, 1, "no CLI at all: {}", run.out);
    assert!(run.out.contains("BAD   claude") && run.out.contains("→ npm install"), "{}", run.out);
}

#[tokio::test]
async fn doctor_says_whether_a_cli_is_logged_in() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().expect("directory");
    for name in ["claude", "codex", "gemini"] {
        let cli = home.path().join(name);
        std::fs::write(&cli, "#!/bin/sh\necho 1.0.0\n").expect("written");
        std::fs::set_permissions(&cli, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }
    std::fs::create_dir(home.path().join(".codex")).expect("made");
    std::fs::write(home.path().join(".codex/auth.json"), "{}").expect("written");
    let mut command = program("http://127.0.0.1:9", &["doctor"]);
    command.envs([("HOME", home.path()), ("PATH", home.path())]).env("GEMINI_API_KEY", "k");
    let run = finish(command, "").await;
    let line = |what: &str| {
        let line = run.out.lines().find(|line| line.contains(what));
        line.unwrap_or_else(|| panic!("{what}: {}", run.out)).to_owned()
    };
    assert!(line("- codex login").starts_with("ok") && line("- codex login").contains(".codex/auth.json"));
    assert!(line("- gemini login").ends_with("GEMINI_API_KEY is set"));
    assert!(line("- claude login").starts_with("note") && line("- claude login").contains("none found"));
    assert!(run.out.contains("log in once with `claude`, or in `parallax attach`"), "{}", run.out);
}

#[tokio::test]
async fn the_name_of_a_running_agent_is_not_given_again() {
    let url = serve(list(&[agent(ID, "one", "busy")])).await;
    let run = parallax(&url, &["spawn", "claude", "one"]).await;
    assert_eq!(run.code, 4, "{}", run.err);
    for words in ["CONFLICT", ID, "`parallax send one MESSAGE`", "`parallax stop one`", "another name"] {
        assert!(run.err.contains(words), "{words}: {}", run.err);
    }
    assert_eq!(run.out, "");
}

#[tokio::test]
async fn runtimes_patterns_and_runs_are_tables_and_json() {
    let at = "2026-01-01T00:00:00.000Z";
    let json = |value: Value| get(async move || Json(value.clone()));
    let runtimes = json!({"runtimes": [
        {"name": "local", "url": "http://l", "priority": 10, "kind": "local", "healthy": true, "agents": 2, "capacity": 9,
         "types": [{"name": "claude", "available": true}, {"name": "codex", "available": false}], "version": "1"},
        {"name": "docker", "url": "http://d", "priority": 20, "kind": "docker", "healthy": false, "reason": "no engine",
         "agents": 0, "capacity": 0, "types": [], "version": "1"}]});
    let pattern = json!({"name": "team", "inputs": {"task": {"type": "text", "required": true}}, "description": "Two\u{1b}[2J work", "createdAt": at, "updatedAt": at});
    let mut stored = pattern.clone();
    stored["source"] = json!("name: team\n");
    let run = json!({"id": "r1", "pattern": "team", "status": "running", "createdAt": at, "updatedAt": at, "questions": 2});
    let router = Router::new()
        .route("/api/runtimes", json(runtimes))
        .route("/api/patterns", json(json!({"patterns": [pattern]})))
        .route("/api/patterns/team", json(stored))
        .route("/api/executions", json(json!({"executions": [run]})));
    let url = serve(router).await;

    let run = parallax(&url, &["runtimes"]).await.succeeded();
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(
        lines[1].contains("healthy") && lines[1].contains("2 of 9") && lines[1].contains("claude  "),
        "{}",
        run.out
    );
    assert!(lines[2].contains("no engine"), "{}", run.out);
    assert_eq!(
        parallax(&url, &["runtimes", "--json"]).await.succeeded().json()["runtimes"][1]["name"],
        "docker"
    );
    let run = parallax(&url, &["patterns"]).await.succeeded();
    assert!(
        run.out.contains("task") && run.out.contains("Two^[[2J work") && !run.out.contains('\u{1b}'),
        "{}",
        run.out
    );
    assert_eq!(parallax(&url, &["patterns", "team"]).await.succeeded().out, "name: team\n");
    let run = parallax(&url, &["runs"]).await.succeeded();
    assert!(run.out.contains("r1") && run.out.contains("2 open questions"), "{}", run.out);
}

#[tokio::test]
async fn completions_and_manual_pages_know_the_commands() {
    let nowhere = "http://127.0.0.1:9";
    for shell in ["bash", "zsh", "fish"] {
        let script = parallax(nowhere, &["completions", shell]).await.succeeded().out;
        assert!(script.contains("doctor") && script.contains("detach-key"), "{shell}");
    }
    assert_eq!(parallax(nowhere, &["completions", "csh"]).await.code, 2);
    let page = parallax(nowhere, &["man"]).await.succeeded().out;
    assert!(page.starts_with(".") && page.contains(".TH parallax") && page.contains("Exit codes"), "{page}");
    let dir = tempfile::tempdir().expect("directory");
    let pages = dir.path().join("man1");
    parallax(nowhere, &["man", "--dir", &pages.to_string_lossy()]).await.succeeded();
    let spawn = std::fs::read_to_string(pages.join("parallax-spawn.1")).expect("a page a command");
    assert!(spawn.contains("workdir") && spawn.contains("Examples:"), "{spawn}");
    assert!(pages.join("parallax.1").is_file());
}
