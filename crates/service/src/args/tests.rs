use serde::Deserialize;

use super::*;
use crate::gate::Scope;

fn settle(args: ServerArgs, environment: Environment) -> anyhow::Result<Settings> {
    let environment = Environment { home: Some("/home/me".into()), ..environment };
    args.settle::<NoMore>("test", 3100, environment).map(|(settings, _)| settings)
}

fn with_file(text: &str) -> (tempfile::NamedTempFile, ServerArgs) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let args = ServerArgs { config: Some(file.path().into()), ..ServerArgs::default() };
    (file, args)
}

fn words<T: std::fmt::Debug>(result: anyhow::Result<T>) -> String {
    format!("{:#}", result.unwrap_err())
}

#[test]
fn nothing_told_is_loopback_without_tokens() {
    let settings = settle(ServerArgs::default(), Environment::default()).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:3100");
    assert_eq!(settings.state_dir.to_str(), Some("/home/me/.local/state/parallax/test"));
    assert_eq!(settings.log, "info");
    assert!(settings.tokens.is_empty());
}

#[test]
fn port_alone_is_a_port_of_loopback() {
    let environment = Environment { port: Some("81".into()), ..Environment::default() };
    assert_eq!(settle(ServerArgs::default(), environment).unwrap().listen.to_string(), "127.0.0.1:81");
}

#[test]
fn listen_is_an_address_and_a_port() {
    for (text, listen) in [
        ("0", "127.0.0.1:0"),
        ("localhost:5", "127.0.0.1:5"),
        ("0.0.0.0:5", "0.0.0.0:5"),
        ("[::1]:5", "[::1]:5"),
        (" 127.0.0.1:5 ", "127.0.0.1:5"),
    ] {
        assert_eq!(parse_listen(text).unwrap().to_string(), listen);
    }
    for text in ["", "70000", "127.0.0.1", "::1", ":5", "example:5"] {
        assert!(words(parse_listen(text)).contains("127.0.0.1:3000"), "{text}");
    }
    assert!(words(parse_listen("::1")).contains("[::1]:3000"));
}

#[test]
fn a_reachable_address_needs_a_token_or_a_word() {
    let listen = |listen: &str| ServerArgs { listen: Some(listen.into()), ..ServerArgs::default() };
    for address in ["0.0.0.0:1", "[::]:1", "192.168.1.1:1"] {
        let refused = words(settle(listen(address), Environment::default()));
        assert!(
            refused.contains("PARALLAX_API_TOKEN") && refused.contains("--insecure-no-auth"),
            "{refused}"
        );
        let insecure = ServerArgs { insecure_no_auth: true, ..listen(address) };
        settle(insecure, Environment::default()).unwrap();
        let token = Environment { api_token: Some("secret".into()), ..Environment::default() };
        assert_eq!(settle(listen(address), token).unwrap().tokens[0].scope, Scope::Admin);
    }
    settle(listen("[::1]:1"), Environment::default()).unwrap();
}

#[test]
fn the_file_has_the_names_of_the_flags() {
    let text = "
        listen = '127.0.0.1:9'
        state-dir = '/var/lib/x'
        profiles = '/etc/profiles'
        max-agents = 7
        log = 'debug'
        insecure-no-auth = true
        allow-host = ['board.example']
        allow-origin = ['https://board.example']
    ";
    let (_file, args) = with_file(text);
    let settings = settle(args.clone(), Environment::default()).unwrap();
    assert_eq!((settings.listen.port(), settings.max_agents), (9, Some(7)));
    assert_eq!(settings.state_dir.to_str(), Some("/var/lib/x"));
    assert_eq!((settings.allow_hosts.len(), settings.allow_origins.len()), (1, 1));
    let told = ServerArgs { listen: Some("8".into()), allow_host: vec!["a".into(), "b".into()], ..args };
    let settings = settle(told, Environment::default()).unwrap();
    assert_eq!((settings.listen.port(), settings.allow_hosts.len()), (8, 2));
}

#[test]
fn a_key_the_file_should_not_have_is_named() {
    let (file, args) = with_file("state_dir = '/x'");
    let refused = words(settle(args, Environment::default()));
    assert!(refused.contains("`state_dir`") && refused.contains("state-dir"), "{refused}");
    assert!(refused.contains(file.path().to_str().unwrap()), "{refused}");
    for (text, word) in
        [("max-agents = 'many'", "max-agents"), ("max-agents = 0", "max-agents"), ("log", "TOML")]
    {
        let (_file, args) = with_file(text);
        assert!(words(settle(args, Environment::default())).contains(word), "{text}");
    }
    let absent = ServerArgs { config: Some("/nowhere/at.toml".into()), ..ServerArgs::default() };
    assert!(words(settle(absent, Environment::default())).contains("/nowhere/at.toml"));
}

#[test]
fn a_server_may_have_keys_of_its_own() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Own {
        workdir_root: Vec<String>,
    }
    let (_file, args) = with_file("log = 'warn'\nworkdir-root = ['/src']");
    let environment = Environment { home: Some("/home/me".into()), ..Environment::default() };
    let (settings, own) = args.settle::<Own>("test", 1, environment.clone()).unwrap();
    assert_eq!((settings.log.as_str(), own.workdir_root.len()), ("warn", 1));
    let (_file, args) = with_file("workdir-root = []\nother = 1");
    assert!(words(args.settle::<Own>("test", 1, environment)).contains("`other`"));
}

#[test]
fn a_token_file_has_scopes_and_hides_its_secrets() {
    let tokens = parse_tokens("# who may\n\nview  look\r\noperate drive\n own \n").unwrap();
    let scopes: Vec<Scope> = tokens.iter().map(|token| token.scope).collect();
    assert_eq!(scopes, [Scope::View, Scope::Operate, Scope::Admin]);
    assert!(!format!("{tokens:?}").contains("look"));
    for (text, line) in [("view look\nroot drive", 2), ("view look me", 1), ("\u{e9}t\u{e9}", 1)] {
        let refused = words(parse_tokens(text));
        assert!(refused.contains(&format!("line {line}")) && !refused.contains("drive"), "{refused}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let args = ServerArgs { token_file: Some(file.path().into()), ..ServerArgs::default() };
    assert!(words(settle(args, Environment::default())).contains("no token"));
}
