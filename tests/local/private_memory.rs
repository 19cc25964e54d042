//! What a server and a host hold is not read by agents, which are the same user.

use crate::local_runtime::LocalRuntime;

/// What lets root read any process. `setpriv` takes it from the server, and so from its agents.
const CAPABILITIES: &str = "-sys_ptrace,-perfmon,-sys_admin";
const NO_TRACING: [&str; 5] = ["setpriv", "--bounding-set", CAPABILITIES, "--inh-caps", CAPABILITIES];

#[tokio::test]
async fn an_agent_reads_no_server_and_no_host() {
    let is_root = rustix::process::geteuid().is_root();
    let runtime = LocalRuntime::start_under(if is_root { &NO_TRACING } else { &[] });
    let agent = runtime.bash().await;
    let id = &agent.id;
    let reads = async |name: &str, pid: &str| {
        let files = "environ mem maps fd/0 cwd/.";
        let line = format!(
            "for f in {files}; do (exec 9</proc/{pid}/$f) 2>/dev/null && echo \"reads {name} $f\"; done; echo {name}-${{SHLVL:+done}}"
        );
        runtime.run(id, &line).await;
        let output = runtime.until_printed(id, &format!("{name}-done")).await;
        files.split(' ').filter(|file| output.contains(&format!("reads {name} {file}"))).count()
    };
    runtime.run(id, "sleep 1000 & own=$!").await;
    assert_eq!(reads("child", "$own").await, 5, "a child of its own can be read");
    assert_eq!(reads("server", &runtime.pid().to_string()).await, 0);
    assert_eq!(reads("host", &runtime.host(id).to_string()).await, 0);
    runtime.client().stop(id, &Default::default()).await.expect("it can be stopped");
}
