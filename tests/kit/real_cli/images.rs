//! Images that go with a message.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parallax_api::SendRequest;
use parallax_api::message::{ImageInput, OnQuestion};

use super::RealCli;
use super::cases::{finish, scripted};
use crate::backend::TestBackend;
use crate::models::Models;
use crate::models::scenario::Reply;
use crate::parallax::parallax;
use crate::pictures::{JPEG, PNG, WEBP, image};
use crate::user::Spawned;
use crate::wait::within;

/// Images reach the model, byte for byte, before their text, in the first message and in a later one.
pub async fn images_reach_the_model(cli: RealCli) {
    let models = scripted(vec![Reply::text("I see.")]).await;
    let backend = cli.backend(&models).await;
    let agent = backend.user().spawn_ready(cli.request()).await;
    sees_images(&agent, &models).await;
    finish(backend).await;
}

/// Sends images to an agent whose model says `I see.`
pub async fn sees_images(agent: &Spawned, models: &Models) {
    let before = models.turns().len();
    show(agent, "what is this?", vec![image(PNG, "shot.png")]).await;
    let first = models.turns().pop().expect("the model was asked");
    assert!(first.body.contains(&STANDARD.encode(PNG)), "the image is in the request: {:.300}", first.text);
    assert!(first.whole_text.contains("what is this?"), "{}", first.text);

    show(agent, "and\nthese two?", vec![image(JPEG, "photo.jpg"), image(WEBP, "drawing.webp")]).await;
    let second = models.turns().pop().expect("the model was asked");
    for bytes in [JPEG, WEBP] {
        assert!(
            second.body.contains(&STANDARD.encode(bytes)),
            "the image is in the request: {}",
            second.text
        );
    }
    assert_eq!(agent.say("no image this time").await, "I see.");
    assert_eq!(models.turns().len() - before, 3, "each message was taken once");
    let messages = agent.messages().await;
    let named: Vec<_> = messages.iter().flat_map(|message| &message.images).collect();
    let names: Vec<_> = named.iter().map(|image| (image.name.as_str(), image.size)).collect();
    let sent = [("shot.png", PNG.len()), ("photo.jpg", JPEG.len()), ("drawing.webp", WEBP.len())];
    assert_eq!(names, sent);
}

/// The same by the command line, over the server at `url`.
pub async fn sees_an_image_that_is_sent_by_the_command(agent: &Spawned, models: &Models, url: &str) {
    let directory = tempfile::tempdir().expect("made");
    let file = directory.path().join("shot.png");
    std::fs::write(&file, PNG).expect("written");
    let before = models.turns().len();
    let file = file.to_string_lossy();
    let sent =
        parallax(url, &["send", agent.id.as_str(), "what is on it?", "--file", &file]).await.succeeded();
    assert_eq!(sent.out.trim_end(), "I see.");
    let turns = models.turns();
    assert_eq!(turns.len() - before, 1);
    let last = turns.last().expect("the model was asked");
    assert!(last.text.contains("what is on it?"), "{}", last.text);
    // What was shown before is in the request as well: this one makes one more.
    let encoded = STANDARD.encode(PNG);
    let count = |turn: usize| turns[turn].body.matches(&encoded).count();
    assert_eq!(count(turns.len() - 1), count(before - 1) + 1);
}

/// Sends a message with images, which is answered.
async fn show(agent: &Spawned, message: &str, images: Vec<ImageInput>) {
    let request = SendRequest {
        message: message.into(),
        expect_response: true,
        timeout_ms: Some(90_000),
        on_question: OnQuestion::Return,
        images,
        ..SendRequest::default()
    };
    let sent = within("an answer", Duration::from_secs(100), agent.client.send(&agent.id, &request)).await;
    match sent {
        Ok(sent) => assert_eq!(sent.response.expect("a response was asked for").content, "I see."),
        Err(problem) => panic!("no answer to `{message}`: {problem:?}; {}", agent.account().await),
    }
}
