//! A message is text, whatever it holds.

use std::time::Duration;

use parallax_api::text::visible;
use parallax_api::{Code, SendRequest};
use parallax_profile::Profiles;

use super::RealCli;
use super::cases::{finish, scripted};
use crate::awkward_messages::as_taken;
use crate::backend::TestBackend;
use crate::models::scenario::Reply;
use crate::odd_messages::{RAN, odd};
use crate::wait::within;

/// More than a hundred odd messages: each is taken once, as the text that was sent, and none is executed.
pub async fn odd_messages(cli: RealCli) {
    let models = scripted(vec![Reply::text("I see.")]).await;
    let backend = cli.backend(&models).await;
    let agent = backend.user().spawn_ready(cli.request()).await;
    let messages = odd(backend.directory());
    let mut wrong = Vec::new();
    for message in &messages {
        let before = models.turns().len();
        let request = SendRequest {
            message: message.text.clone(),
            expect_response: true,
            timeout_ms: Some(45_000),
            ..SendRequest::default()
        };
        let sent = within("an answer", Duration::from_secs(60), agent.client.send(&agent.id, &request)).await;
        let taken: Vec<String> =
            models.turns().into_iter().skip(before).map(|turn| as_told(cli, &turn.whole_text)).collect();
        let answered = sent.map(|sent| sent.response.map(|answer| answer.content));
        let expected = as_read(cli, &message.text);
        if answered != Ok(Some("I see.".into())) || taken != [expected.as_str()] {
            wrong.push(format!("{}: {answered:?}\nsent  {expected:?}\ntaken {taken:?}", message.name));
        }
        if backend.directory().join(RAN).exists() {
            wrong.push(format!("{}: EXECUTED", message.name));
            std::fs::remove_file(backend.directory().join(RAN)).expect("it is there");
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), messages.len(), wrong.join("\n"));
    finish(backend).await;
}

/// A message in which nothing can be seen is refused, and the agent never sees it.
pub async fn nothing_visible_is_refused(cli: RealCli) {
    let models = scripted(vec![Reply::text("I see.")]).await;
    let backend = cli.backend(&models).await;
    let agent = backend.user().spawn_ready(cli.request()).await;
    for blank in [
        "",
        " ",
        "\n\t\r\n",
        "\u{1}\u{2}",
        "\u{1b}",
        "\u{7f}",
        "\u{200b}\u{feff}",
        "\u{2800}",
        "\u{3164}",
        "\u{301}",
    ] {
        let request = SendRequest { message: blank.into(), ..SendRequest::default() };
        let refused = agent.send_refused(request).await;
        assert_eq!((refused.code, refused.status), (Code::Validation, 400), "{blank:?}");
    }
    assert_eq!(agent.say("hello").await, "I see.");
    assert_eq!(models.turns().len(), 1);
    finish(backend).await;
}

/// The text as it is typed, without what the CLI drops of it: Codex hands it to its model as it is, the others drop some of
/// what shows nothing, and have their own idea of blanks.
fn as_read(cli: RealCli, text: &str) -> String {
    let profiles = Profiles::builtin();
    let profile = profiles.get(cli.name()).expect("it is built in");
    compared(cli, &as_taken(&profile.submit().guarded(text)))
}

/// The text as it came to the model, without what the CLI adds to it: the files that it mentions.
fn as_told(cli: RealCli, text: &str) -> String {
    let own = text.split("\n--- Content from referenced files ---").next().unwrap_or_default();
    compared(cli, own)
}

fn compared(cli: RealCli, text: &str) -> String {
    if cli == RealCli::Codex { text.to_owned() } else { visible(text) }
}
