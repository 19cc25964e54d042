//! What the agent, a neighbour and strangers may do at the host's socket.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;

use serde_json::{Value, json};

use crate::harness::{Host, command, shell_launch, wait_for};

const ROUTES: [(&str, &str); 15] = [
    ("GET", "/agent"),
    ("GET", "/events"),
    ("POST", "/send"),
    ("GET", "/messages"),
    ("GET", "/screen"),
    ("GET", "/status"),
    ("GET", "/metrics"),
    ("GET", "/logs"),
    ("POST", "/input"),
    ("POST", "/answer"),
    ("POST", "/interrupt"),
    ("POST", "/restart"),
    ("POST", "/stop"),
    ("POST", "/release"),
    ("GET", "/nothing"),
];

/// The status codes that a process of `from`'s agent gets from the host of `to`.
fn codes(from: &Host, how: &str, to: &Host, requests: &[(&str, &str)]) -> Vec<String> {
    let body = r#"{"hook":"none","payload":null}"#;
    let mut script = String::from("import socket\n");
    for (method, path) in requests {
        let head = format!(
            "{method} {path} HTTP/1.0\\r\\nHost: h\\r\\nContent-Type: application/json\\r\\nContent-Length: {}\\r\\n\\r\\n",
            body.len()
        );
        script += &format!(
            "s=socket.socket(socket.AF_UNIX); s.connect('{}'); s.send(b'{head}{body}'); print(s.recv(12)[9:].decode())\n",
            to.socket().display()
        );
    }
    let file = from.dir.join("ask.py");
    std::fs::write(&file, script).unwrap();
    from.ask(&format!("{how} python3 {}", file.display())).lines().map(str::to_owned).collect()
}

#[test]
fn an_agent_may_report_to_its_own_host_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let launch = || shell_launch(dir.path());
    let (one, other) = (
        Host::start(&dir.path().join("one"), &launch(), &[]),
        Host::start(&dir.path().join("other"), &launch(), &[]),
    );
    assert_eq!(codes(&one, "", &one, &ROUTES), ["403"; ROUTES.len()], "its own host");
    assert_eq!(codes(&one, "", &other, &ROUTES), ["403"; ROUTES.len()], "a neighbour's host");
    for how in ["", "env -i PATH=$PATH", "setsid -w", "sh -c 'exec \"$@\"' sh"] {
        assert_eq!(codes(&one, how, &one, &[("POST", "/report")]), ["204"], "{how}");
        assert_eq!(codes(&one, how, &other, &[("POST", "/report")]), ["403"], "{how}");
    }
    // The relay is a program that the agent can run, too.
    let relay = format!(
        "(printf 'GET /agent HTTP/1.0\\r\\n\\r\\n'; sleep 1) | {} relay --dir {} 2>/dev/null | head -c 12; echo",
        env!("CARGO_BIN_EXE_parallax-agent-host"),
        one.dir.display()
    );
    assert_eq!(one.ask(&relay), "HTTP/1.0 403");
    // Neither was changed by all that.
    wait_for("the end of the last turn", || one.get("/agent")["status"] == "ready");
    assert_eq!(other.ask("echo mine"), "mine");
}

#[test]
fn a_daemon_of_the_agent_is_still_its_process() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(&dir.path().join("a"), &shell_launch(dir.path()), &[]);
    let (script, out) = (dir.path().join("daemon.py"), dir.path().join("out"));
    let text = format!(
        "import os,socket,time\n\
         if os.fork(): os._exit(0)\n\
         os.setsid()\n\
         parent=os.getpid()\n\
         if os.fork(): os._exit(0)\n\
         while os.getppid()==parent: time.sleep(0.01)\n\
         s=socket.socket(socket.AF_UNIX); s.connect('{}')\n\
         s.send(b'GET /agent HTTP/1.0\\r\\n\\r\\n'); open('{}.part','w').write(s.recv(12).decode())\n\
         os.rename('{}.part','{}')\n",
        host.socket().display(),
        out.display(),
        out.display(),
        out.display()
    );
    std::fs::write(&script, text).unwrap();
    host.ask(&format!("env -i /usr/bin/env python3 {}", script.display()));
    wait_for("the daemon's answer", || out.exists());
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "HTTP/1.0 403");
}

/// The hook program reports as before.
#[test]
fn the_hook_program_reports() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(&dir.path().join("a"), &shell_launch(dir.path()), &[]);
    let hook = env!("CARGO_BIN_EXE_parallax-agent-host");
    assert_eq!(host.ask(&format!("echo '{{}}' | {hook} hook Stop; echo $?")), "0");
}

/// A whole message and a whole tool input, more than a request may otherwise have.
#[test]
fn a_report_may_be_large() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(&dir.path().join("a"), &shell_launch(dir.path()), &[]);
    let report = json!({"hook": "none", "payload": "x".repeat(3 * 1024 * 1024)});
    assert_eq!(host.call("POST", "/report", Some(&report)).0, 204);
}

/// An agent may start a server of its own, which drives its own hosts.
#[test]
fn a_nested_host_obeys_its_starter() {
    let dir = tempfile::tempdir().unwrap();
    let outer = Host::start(&dir.path().join("outer"), &shell_launch(dir.path()), &[]);
    let (launch, inner) = (dir.path().join("launch"), dir.path().join("inner"));
    std::fs::write(&launch, format!("{}\n", shell_launch(dir.path()))).unwrap();
    let program = env!("CARGO_BIN_EXE_parallax-agent-host");
    let start = format!(
        "({program} serve --dir {} --launch {} >{}.out 2>&1 </dev/null &); until [ -s {}.out ]; do sleep 0.1; done; echo up",
        inner.display(),
        launch.display(),
        inner.display(),
        inner.display()
    );
    assert_eq!(outer.ask(&start), "up");
    let ask = |path: &str| {
        let script = format!(
            "import socket; s=socket.socket(socket.AF_UNIX); s.connect('{}/host.sock'); s.send(b'GET {path} HTTP/1.0\\r\\n\\r\\n'); print(s.recv(12)[9:].decode())",
            inner.display()
        );
        let file = dir.path().join("inner.py");
        std::fs::write(&file, script).unwrap();
        outer.ask(&format!("python3 {}", file.display()))
    };
    assert_eq!(ask("/agent"), "200");
    // With everything that the outer agent started.
    assert_eq!(outer.call("POST", "/stop", None).0, 200);
}

/// Tokens and descriptors of a host are not for other processes of its user.
#[test]
fn the_host_cannot_be_looked_into() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root to run the host as another user");
        return;
    }
    let nobody = 65534;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let program = dir.path().join("parallax-agent-host");
    std::fs::copy(env!("CARGO_BIN_EXE_parallax-agent-host"), &program).unwrap();
    let mut launch: Value = shell_launch(dir.path());
    launch["token"] = json!("secret");
    let mut command = command(&program, &dir.path().join("a"), &[]);
    let host = Host::start_command(command.uid(nobody).gid(nobody), &dir.path().join("a"), &launch);
    let proc = std::path::PathBuf::from(format!("/proc/{}", host.child.id()));
    for file in ["environ", "mem", "maps", "fd"] {
        assert_eq!(std::fs::metadata(proc.join(file)).unwrap().uid(), 0, "{file} is not the user's");
    }
    assert_eq!(
        host.ask("cat /proc/$PPID/environ 2>/dev/null; ls /proc/$PPID/fd 2>/dev/null; echo none"),
        "none"
    );
}

/// Connections that an agent leaves open keep no one else out.
#[test]
fn an_agents_idle_connections_are_few() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (
        Host::start(&dir.path().join("one"), &shell_launch(dir.path()), &[]),
        Host::start(&dir.path().join("other"), &shell_launch(dir.path()), &[]),
    );
    let script = format!(
        "import socket,sys,time\n\
         held=[]\n\
         for path in sys.argv[1:]:\n\
         \x20 for _ in range(400):\n\
         \x20  s=socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(path); held.append(s)\n\
         while True:\n\
         \x20 left=0\n\
         \x20 for s in held:\n\
         \x20  s.setblocking(False)\n\
         \x20  try: left+= s.recv(1)!=b''\n\
         \x20  except BlockingIOError: left+=1\n\
         \x20  except ConnectionError: pass\n\
         \x20 open({:?},'w').write(str(left)); time.sleep(0.2)\n",
        dir.path().join("open").display().to_string()
    );
    std::fs::write(dir.path().join("hold.py"), script).unwrap();
    let (own, others) = (one.socket(), other.socket());
    one.ask(&format!(
        "(python3 {}/hold.py {} {} >/dev/null 2>&1 &)",
        dir.path().display(),
        own.display(),
        others.display()
    ));
    let open = dir.path().join("open");
    wait_for("64 connections to its own host and 16 to a neighbour's", || {
        std::fs::read_to_string(&open).is_ok_and(|left| left == "80")
    });
    for host in [&one, &other] {
        assert_eq!(host.ask("echo here"), "here");
    }
}
