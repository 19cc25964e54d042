use serde::Deserialize;

use super::*;
use crate::access::Scope;

fn resolve_in(args: ServerArgs, environment: ArgsEnvironment) -> anyhow::Result<Settings> {
    let environment = ArgsEnvironment { home: Some("/home/me".into()), ..environment };
    args.resolve_in::<NoExtraKeys>("test", 3100, environment).map(|(settings, _)| settings)
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
    let settings = resolve_in(ServerArgs::default(), ArgsEnvironment::default()).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:3100");
    assert_eq!(settings.state_dir.to_str(), Some("/home/me/.local/state/parallax/test"));
    assert_eq!(settings.log, "info");
    assert!(settings.tokens.is_empty());
}

#[test]
fn port_alone_is_a_port_of_loopback() {
    let environment = ArgsEnvironment { port: Some("81".into()), ..ArgsEnvironment::default() };
    assert_eq!(resolve_in(ServerArgs::default(), environment).unwrap().listen.to_string(), "127.0.0.1:81");
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
        let refused = words(resolve_in(listen(address), ArgsEnvironment::default()));
        assert!(
            refused.contains("PARALLAX_API_TOKEN") && refused.contains("--insecure-no-auth"),
            "{refused}"
        );
        let insecure = ServerArgs { insecure_no_auth: true, ..listen(address) };
        resolve_in(insecure, ArgsEnvironment::default()).unwrap();
        let token = ArgsEnvironment { api_token: Some("secret".into()), ..ArgsEnvironment::default() };
        assert_eq!(resolve_in(listen(address), token).unwrap().tokens[0].scope, Scope::Admin);
    }
    resolve_in(listen("[::1]:1"), ArgsEnvironment::default()).unwrap();
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
    let settings = resolve_in(args.clone(), ArgsEnvironment::default()).unwrap();
    assert_eq!((settings.listen.port(), settings.max_agents), (9, Some(7)));
    assert_eq!(settings.state_dir.to_str(), Some("/var/lib/x"));
    assert_eq!((settings.allow_hosts.len(), settings.allow_origins.len()), (1, 1));
    let told = ServerArgs { listen: Some("8".into()), allow_host: vec!["a".into(), "b".into()], ..args };
    let settings = resolve_in(told, ArgsEnvironment::default()).unwrap();
    assert_eq!((settings.listen.port(), settings.allow_hosts.len()), (8, 2));
}

#[test]
fn a_key_the_file_should_not_have_is_named() {
    let (file, args) = with_file("state_dir = '/x'");
    let refused = words(resolve_in(args, ArgsEnvironment::default()));
    assert!(refused.contains("`state_dir`") && refused.contains("state-dir"), "{refused}");
    assert!(refused.contains(file.path().to_str().unwrap()), "{refused}");
    for (text, word) in
        [("max-agents = 'many'", "max-agents"), ("max-agents = 0", "max-agents"), ("log", "TOML")]
    {
        let (_file, args) = with_file(text);
        assert!(words(resolve_in(args, ArgsEnvironment::default())).contains(word), "{text}");
    }
    let absent = ServerArgs { config: Some("/nowhere/at.toml".into()), ..ServerArgs::default() };
    assert!(words(resolve_in(absent, ArgsEnvironment::default())).contains("/nowhere/at.toml"));
}

#[test]
fn a_server_may_have_keys_of_its_own() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Own {
        workdir_root: Vec<String>,
    }
    let (_file, args) = with_file("log = 'warn'\nworkdir-root = ['/src']");
    let environment = ArgsEnvironment { home: Some("/home/me".into()), ..ArgsEnvironment::default() };
    let (settings, own) = args.resolve_in::<Own>("test", 1, environment.clone()).unwrap();
    assert_eq!((settings.log.as_str(), own.workdir_root.len()), ("warn", 1));
    let (_file, args) = with_file("workdir-root = []\nother = 1");
    assert!(words(args.resolve_in::<Own>("test", 1, environment)).contains("`other`"));
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
    assert!(words(resolve_in(args, ArgsEnvironment::default())).contains("no token"));
}
