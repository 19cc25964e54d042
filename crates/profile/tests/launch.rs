//! What the built-in profiles, and the one in `examples/`, make of a request.

use std::path::{Path, PathBuf};

use parallax_api::agent::EnvValue;
use parallax_api::{Agent, AgentId, Approvals, Code, Time};
use parallax_profile::{Command, Conversation, Launch, Profile, ProfileError, Profiles, TemplateContext};
use serde_json::Value;

fn launch(profile: &Profile, approvals: Approvals, env: &[(&str, &str)]) -> Launch {
    let agent = Agent::new(AgentId::generate(), "a", profile.name.clone(), "local", Time::now());
    Launch {
        args: vec!["--mine".into()],
        approvals,
        env: env.iter().map(|(name, value)| ((*name).to_owned(), EnvValue::from(*value))).collect(),
        ..Launch::new(agent, profile.clone(), "/srv/a project".into())
    }
}

fn context() -> TemplateContext {
    TemplateContext {
        home: "/home/me".into(),
        agent_dir: "/agent".into(),
        host_binary: "/bin/host".into(),
        is_root: true,
    }
}

fn new() -> Conversation {
    Conversation::New { id: "id-1".into() }
}

fn builtin(name: &str) -> Profile {
    (*Profiles::builtin().get(name).expect("built in")).clone()
}

fn command(name: &str, approvals: Approvals, env: &[(&str, &str)]) -> Command {
    launch(&builtin(name), approvals, env).command(&context(), &new()).expect("a command")
}

fn env<'a>(command: &'a Command, name: &str) -> Option<&'a str> {
    command.env.get(name).map(EnvValue::expose)
}

/// Whether `words` stand in the arguments, one after the other.
fn has(command: &Command, words: &[&str]) -> bool {
    command.args.windows(words.len()).any(|window| window == words)
}

#[test]
fn approvals_become_flags() {
    use Approvals::{All, Ask, Edits};
    let table: [(&str, Approvals, &[&str]); 9] = [
        ("claude", Ask, &["--permission-mode", "manual"]),
        ("claude", Edits, &["--permission-mode", "acceptEdits"]),
        ("claude", All, &["--permission-mode", "bypassPermissions"]),
        ("codex", Ask, &["-a", "on-request", "-s", "workspace-write"]),
        ("codex", Edits, &["-a", "on-request", "-s", "workspace-write"]),
        ("codex", All, &["--dangerously-bypass-approvals-and-sandbox"]),
        ("gemini", Ask, &["--approval-mode", "default"]),
        ("gemini", Edits, &["--approval-mode", "auto_edit"]),
        ("gemini", All, &["--approval-mode", "yolo"]),
    ];
    for (name, approvals, flags) in table {
        let command = command(name, approvals, &[]);
        assert!(has(&command, flags), "{name} {approvals:?}: {:?}", command.args);
    }
}

#[test]
fn claude_is_told_of_a_sandbox_only_as_root_and_unasked() {
    assert_eq!(env(&command("claude", Approvals::All, &[]), "IS_SANDBOX"), Some("1"));
    assert_eq!(env(&command("claude", Approvals::Edits, &[]), "IS_SANDBOX"), None);
    let user = TemplateContext { is_root: false, ..context() };
    let command = launch(&builtin("claude"), Approvals::All, &[]).command(&user, &new()).expect("a command");
    assert_eq!(env(&command, "IS_SANDBOX"), None);
}

#[test]
fn claude_reports_to_the_host_by_hooks() {
    let command = command("claude", Approvals::Ask, &[]);
    let at = command.args.iter().position(|arg| arg == "--settings").expect("settings");
    let settings: Value = serde_json::from_str(&command.args[at + 1]).expect("JSON");
    assert_eq!(
        settings.pointer("/hooks/Stop/0/hooks/0/command"),
        Some(&Value::from("'/bin/host' hook Stop"))
    );
}

#[test]
fn credentials_bring_a_configuration_of_the_agents_own() {
    let table = [
        (
            "claude",
            ("ANTHROPIC_API_KEY", "sk-ant-0123456789-0123456789-0123456789"),
            "CLAUDE_CONFIG_DIR",
            "/agent/claude",
        ),
        ("claude", ("ANTHROPIC_AUTH_TOKEN", "t"), "CLAUDE_CONFIG_DIR", "/agent/claude"),
        ("codex", ("OPENAI_API_KEY", "sk-1"), "CODEX_HOME", "/agent/codex"),
        ("codex", ("CODEX_API_KEY", "sk-1"), "CODEX_HOME", "/agent/codex"),
        ("gemini", ("GEMINI_API_KEY", "k"), "GEMINI_CLI_HOME", "/agent/gemini"),
    ];
    for (name, credential, variable, directory) in table {
        let configured = |command: &Command| {
            command.files.iter().filter(|file| file.path.starts_with(directory)).cloned().collect::<Vec<_>>()
        };
        let own = command(name, Approvals::Ask, &[credential]);
        assert_eq!(env(&own, variable), Some(directory), "{name}");
        let files = configured(&own);
        assert_eq!(files.len(), 1, "{name}");
        assert_eq!(files[0].mode, 0o600, "{name}");
        serde_json::from_str::<Value>(files[0].contents.expose()).expect("the file is JSON");
        let glob = &own.record.as_ref().expect("a record").globs[0];
        assert!(glob.starts_with(directory), "{name}: {glob}");

        let users = command(name, Approvals::Ask, &[]);
        assert_eq!(
            (env(&users, variable), configured(&users).len()),
            (None, 0),
            "{name}: the user's own stays"
        );

        let chosen = command(name, Approvals::Ask, &[credential, (variable, "/theirs")]);
        assert_eq!(
            (env(&chosen, variable), configured(&chosen).len()),
            (Some("/theirs"), 0),
            "{name}: the request's own stays"
        );
    }
}

#[test]
fn claude_approves_the_key_it_was_given() {
    let key = "sk-ant-0123456789-abcdefghijklmnopqrst";
    let command = command("claude", Approvals::Ask, &[("ANTHROPIC_API_KEY", key)]);
    let config: Value = serde_json::from_str(command.files[0].contents.expose()).expect("JSON");
    assert_eq!(
        config.pointer("/customApiKeyResponses/approved/0"),
        Some(&Value::from("abcdefghijklmnopqrst"))
    );
}

#[test]
fn codex_trusts_its_workdir_and_leaves_nothing_behind() {
    let command = command("codex", Approvals::Ask, &[]);
    assert!(has(&command, &["--no-daemon"]));
    assert!(
        has(&command, &["-c", "projects={\"/srv/a project\"={trust_level=\"trusted\"}}"]),
        "{:?}",
        command.args
    );
    let record = command.record.expect("a record");
    assert_eq!(record.first["/payload/cwd"], "/srv/a project");
    assert_eq!(record.globs, ["/home/me/.codex/sessions/**/rollout-*.jsonl"]);
}

#[test]
fn the_requests_arguments_come_before_the_conversation() {
    let resume = Conversation::Resume { id: "thread-1".into() };
    let table: [(&str, &Conversation, &[&str]); 4] = [
        ("claude", &new(), &["--mine", "--session-id", "id-1"]),
        ("claude", &resume, &["--mine", "--resume", "thread-1"]),
        ("codex", &resume, &["--mine", "resume", "thread-1"]),
        ("gemini", &resume, &["--mine", "--resume", "thread-1"]),
    ];
    for (name, conversation, end) in table {
        let command =
            launch(&builtin(name), Approvals::Ask, &[]).command(&context(), conversation).expect("a command");
        assert!(
            command.args.ends_with(&end.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "{:?}",
            command.args
        );
    }
}

#[test]
fn what_a_cli_cannot_do_is_refused_by_name() {
    let shell = Profile::parse(include_str!("../../../examples/profiles/shell.toml")).expect("valid");
    let refused = |launch: &Launch, conversation: &Conversation| {
        let problem = launch.command(&context(), conversation).expect_err("refused");
        assert_eq!(problem.code, Code::Unsupported);
        problem.more["field"].clone()
    };
    let mut with_model = launch(&shell, Approvals::Ask, &[]);
    with_model.agent.model = Some("m".into());
    assert_eq!(refused(&with_model, &new()), "model");
    assert_eq!(refused(&launch(&shell, Approvals::All, &[]), &new()), "approvals");
    let resume = Conversation::Resume { id: "x".into() };
    assert_eq!(refused(&launch(&shell, Approvals::Ask, &[]), &resume), "resume");
    let command = launch(&shell, Approvals::Ask, &[]).command(&context(), &new()).expect("a command");
    assert!(env(&command, "PROMPT_COMMAND").is_some_and(|prompt| prompt.contains("7501;state=done")));
}

#[test]
fn a_profile_writes_nothing_that_is_not_the_agents_own() {
    let text = "name = \"x\"\ntitle = \"X\"\nstart.program = \"x\"\n[[prepare]]\n\
                files = [{ path = \"{home}/.xrc\", contents = \"\" }]";
    let profile = Profile::parse(text).expect("valid");
    let problem = launch(&profile, Approvals::Ask, &[]).command(&context(), &new()).expect_err("refused");
    assert!(problem.detail.contains("/home/me/.xrc"), "{problem}");
}

#[test]
fn a_launch_crosses_a_pipe_as_json() {
    let before = launch(&builtin("claude"), Approvals::All, &[("ANTHROPIC_AUTH_TOKEN", "t")]);
    let text = serde_json::to_string(&before).expect("JSON");
    let after: Launch = serde_json::from_str(&text).expect("a launch");
    let args = |launch: &Launch| launch.command(&context(), &new()).expect("a command").args;
    assert_eq!(args(&before), args(&after));
    assert!(!format!("{before:?}").contains("\"t\""), "secrets are not shown");
}

#[test]
fn faults_in_a_profile_name_line_and_field() {
    let head = "name = \"x\"\ntitle = \"X\"\n";
    let table = [
        (format!("{head}[start]\nprogramm = \"x\""), "programm"),
        (format!("{head}[start]\nprogram = \"x\"\nargs = [\"{{wrkdir}}\"]"), "wrkdir"),
        (
            format!("{head}[start]\nprogram = \"x\"\n[[titles]]\npattern = \"(\"\nmeans = \"idle\""),
            "not a pattern",
        ),
        (format!("{head}[start]\nprogram = \"x\"\n[[titles]]\npattern = \"a\"\nmeans = \"tired\""), "line 7"),
        (format!("{head}[start]\nprogram = \"\""), "start.program"),
        ("name = \"No Good\"\ntitle = \"X\"\n[start]\nprogram = \"x\"".into(), "`name`"),
        (format!("{head}[start]\nprogram = \"x\"\n[[dialogs]]\nname = \"d\"\nends = \"x\""), "dialogs[0]"),
    ];
    for (text, named) in table {
        let error = Profile::parse(&text).expect_err(&text).to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn a_directory_adds_and_overrides() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/profiles");
    let profiles = Profiles::builtin().with_directory(&directory).expect("valid");
    assert_eq!(profiles.names(), ["claude", "codex", "gemini", "shell"]);
    let missing = Profiles::builtin().with_directory(&PathBuf::from("/no/such/directory"));
    assert!(matches!(missing, Err(ProfileError::Unreadable { .. })));
}

#[test]
fn only_what_a_profile_names_is_inherited() {
    let claude = builtin("claude");
    for (variable, expected) in
        [("ANTHROPIC_BASE_URL", true), ("OPENAI_API_KEY", false), ("AWS_SECRET", false)]
    {
        assert_eq!(claude.inherits(variable), expected, "{variable}");
    }
    assert!(!builtin("codex").inherits("OPENAI_API_KEY"), "others' key, which codex itself does not take");
}

#[test]
fn gemini_may_read_images_and_asks_nobody() {
    let variable = "GEMINI_CLI_TRUSTED_FOLDERS_PATH";
    let own = command("gemini", Approvals::Ask, &[]);
    assert!(
        own.args.windows(2).any(|pair| pair == ["--include-directories", "/agent/images"]),
        "{:?}",
        own.args
    );
    let file = own.files.iter().find(|file| Some(&*file.path.to_string_lossy()) == env(&own, variable));
    let trusted: Value = serde_json::from_str(file.expect("it is written").contents.expose()).expect("JSON");
    assert_eq!(trusted["/agent"], "TRUST_FOLDER");

    let theirs = command("gemini", Approvals::Ask, &[(variable, "/theirs")]);
    assert_eq!(env(&theirs, variable), Some("/theirs"));
    assert!(!theirs.args.contains(&"--include-directories".to_owned()), "it would ask about the directory");
}
