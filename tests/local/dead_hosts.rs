//! Hosts that are killed, a machine that is restarted, and files that lie about processes: what was printed and said stays
//! readable, and nobody else is killed.

#![expect(clippy::unwrap_used, reason = "a test that meets what it did not expect has failed")]

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use parallax_api::observe::LogsQuery;
use parallax_api::{AgentId, AgentStatus, SendRequest};

use crate::local_runtime::{LocalRuntime, eventually, kill, marked, stop_reason};

/// The agent's log and conversation are what they were before its host died.
async fn is_readable(program: &LocalRuntime, id: &AgentId, printed: &str) {
    let printed = &format!("{printed}-now");
    let client = program.client();
    assert_eq!(client.get(id).await.unwrap().status, AgentStatus::Stopped);
    let logs = client.logs(id, &LogsQuery::default()).await.unwrap().logs;
    assert!(logs.iter().any(|line| line == printed), "{logs:?}");
    assert!(program.output(id).await.contains(printed));
    let messages = client.messages(id, &Default::default()).await.unwrap();
    let sent: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
    assert!(sent.contains(&"echo said"), "{sent:?}");
    let screen = client.screen(id).await.unwrap();
    assert!(screen.lines.iter().any(|line| line == printed), "{screen:?}");
}

async fn talked(program: &LocalRuntime, printed: &str) -> AgentId {
    let id = program.bash().await.id;
    // What is typed is not what is printed.
    program.run(&id, &format!("echo {printed}${{SHLVL:+-now}}")).await;
    program.until_printed(&id, &format!("{printed}-now")).await;
    let send = SendRequest { message: "echo said".into(), ..Default::default() };
    program.client().send(&id, &send).await.unwrap();
    let file = program.agent_dir(&id).join("messages.ndjson");
    eventually("the message is on the disk", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.contains("echo said"))
    })
    .await;
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_host_leaves_everything_readable() {
    let mut program = LocalRuntime::start();
    let mut events = program.events("0").await;
    let seen = talked(&program, "seen").await;
    let unseen = talked(&program, "unseen").await;
    kill(program.host(&seen)).unwrap();
    assert_eq!(stop_reason(&mut events, &seen).await, "host_lost");
    // And one that dies while no server is there.
    program.kill();
    kill(program.host(&unseen)).unwrap();
    program.start_again();
    assert_eq!(stop_reason(&mut events, &unseen).await, "host_lost");
    for restarted in [false, true] {
        if restarted {
            program.end();
            program.start_again();
        }
        is_readable(&program, &seen, "seen").await;
        is_readable(&program, &unseen, "unseen").await;
    }
    for id in [&seen, &unseen] {
        eventually("its directory to go", || !program.agent_dir(id).exists()).await;
        assert_eq!(marked(id), Vec::<u32>::new());
    }
}

/// Everything is gone at once, and process numbers mean something else afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_of_the_machine_every_agent_is_readable() {
    let mut program = LocalRuntime::start();
    let ids = [talked(&program, "one").await, talked(&program, "two").await];
    program.kill();
    for id in &ids {
        kill(program.host(id)).unwrap();
        for left in marked(id) {
            // Gone meanwhile.
            let _ = kill(left);
        }
        let file = program.agent_dir(id).join("process");
        let written = std::fs::read_to_string(&file).unwrap();
        let start = written.split(' ').nth(1).unwrap();
        // This test's own number, as if it had been given out again.
        std::fs::write(&file, format!("{} {start} of-another-boot\n", std::process::id())).unwrap();
    }
    program.start_again();
    for (id, printed) in ids.iter().zip(["one", "two"]) {
        // From the start for each: they end in any order.
        let mut events = program.events("0").await;
        assert_eq!(stop_reason(&mut events, id).await, "machine_restarted");
        is_readable(&program, id, printed).await;
    }
}

/// A process that must not be killed, in a session of its own.
fn bystander() -> Child {
    let mut command = Command::new("sleep");
    command.arg("1000").stdin(Stdio::null()).process_group(0);
    command.spawn().unwrap()
}

fn start_time(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap().to_owned()
}

/// An agent can write its host's file: what stands there is checked before anything is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_file_kills_nobody() {
    let mut program = LocalRuntime::start();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let mut bystander = bystander();
    for server_restarts in [false, true] {
        for whom in 0..4 {
            let forged = [bystander.id(), std::process::id(), program.pid(), 1][whom];
            let id = program.bash().await.id;
            let host = program.host(&id);
            let file = program.agent_dir(&id).join("process");
            std::fs::write(&file, format!("{forged} {} {boot}\n", start_time(forged))).unwrap();
            if server_restarts && forged != program.pid() {
                program.kill();
                program.start_again();
            }
            // The host is found all the same, by what it is.
            let stopped = program.client().stop(&id, &Default::default()).await.unwrap();
            assert_eq!(stopped.status, AgentStatus::Stopped);
            eventually("its directory to go", || !program.agent_dir(&id).exists()).await;
            // One that nobody reaped yet has no environment any more.
            eventually("the host itself to end", || !marked(&id).contains(&host)).await;
            assert_eq!(bystander.try_wait().unwrap(), None, "a bystander lives");
        }
    }
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

/// Links, pipes and endless files in an agent's directory hold nobody up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_full_of_traps_is_read_like_any_other() {
    let program = LocalRuntime::start();
    let mut events = program.events("0").await;
    let id = talked(&program, "printed").await;
    let dir = program.agent_dir(&id);
    let host = program.host(&id);
    let secret = program.dir.path().join("secret");
    std::fs::write(&secret, "TOP-SECRET\r\n").unwrap();
    symlink(&secret, dir.join("log/00000000000009999999.log")).unwrap();
    for (name, target) in [("process.new", &*secret), ("memory.json", "/dev/zero".as_ref())] {
        symlink(target, dir.join(name)).unwrap();
    }
    assert!(Command::new("mkfifo").arg(dir.join("resume.json")).status().unwrap().success());
    kill(host).unwrap();
    assert_eq!(stop_reason(&mut events, &id).await, "host_lost");
    eventually("its directory to go", || !dir.exists()).await;
    is_readable(&program, &id, "printed").await;
    assert!(!program.output(&id).await.contains("TOP-SECRET"));
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "TOP-SECRET\r\n");
}

/// A daemon that took off every mark it could, of a host that died.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_with_a_clean_environment_ends_with_its_agent() {
    let program = LocalRuntime::start();
    let id = program.bash().await.id;
    let group = format!("parallax-agent-{id}");
    let in_group = |pid: u32| {
        std::fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| groups.contains(&group))
    };
    if !in_group(program.host(&id)) {
        eprintln!("no control groups can be made here: not checked");
        return;
    }
    program.run(&id, "env -i setsid sleep 4711 & sleep 0.2; echo started${SHLVL:+-now}").await;
    program.until_printed(&id, "started-now").await;
    let daemons = || -> Vec<u32> {
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                in_group(*pid)
                    && std::fs::read(format!("/proc/{pid}/cmdline"))
                        .is_ok_and(|line| line == b"sleep\x004711\0")
            })
            .collect()
    };
    assert_eq!(daemons().len(), 1);
    kill(program.host(&id)).unwrap();
    eventually("the daemon to end", || daemons().is_empty()).await;
    eventually("its directory to go", || !program.agent_dir(&id).exists()).await;
}
