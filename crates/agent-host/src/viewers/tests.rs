use std::time::Duration;

use futures::{SinkExt, StreamExt};
use parallax_api::terminal::SEND_BUFFER;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::queue::{MAX_ITEM, MAX_QUEUED, MAX_STALE, RESUME, WINDOW};
use super::*;

fn join(viewers: &mut Viewers, mode: TerminalMode) -> Result<Feed, Problem> {
    viewers.join(Joining { viewer: ViewerId(0), mode, outlet: None }, 0)
}

#[tokio::test]
async fn a_viewer_that_only_watches_loses_its_own_queue_only() {
    let mut viewers = Viewers::default();
    let mut slow = join(&mut viewers, TerminalMode::View).unwrap();
    let mut quick = join(&mut viewers, TerminalMode::View).unwrap();
    let chunk = Bytes::from(vec![b'x'; MAX_QUEUED / 2]);
    for _ in 0..3 {
        viewers.output(0, &chunk);
        assert!(viewers.held_until(Instant::now()).is_none());
        assert!(matches!(quick.next(true).await, FeedItem::Output(..)));
    }
    assert!(matches!(slow.next(true).await, FeedItem::Lagged(_)));
    viewers.end();
    assert!(matches!(quick.next(true).await, FeedItem::Ended));
}

#[tokio::test]
async fn the_program_waits_for_a_viewer_that_reads_and_for_no_other() {
    let mut viewers = Viewers::default();
    let mut viewer = join(&mut viewers, TerminalMode::Interactive).unwrap();
    let chunk = Bytes::from(vec![b'x'; MAX_ITEM]);
    for _ in 0..=WINDOW / MAX_ITEM {
        assert!(viewers.held_until(Instant::now()).is_none());
        viewers.output(0, &chunk);
    }
    let until = viewers.held_until(Instant::now()).unwrap();
    assert!(viewers.held_until(until).is_none(), "it read nothing");
    viewer.next(true).await;
    assert!(viewers.held_until(until).is_some(), "it read, and is still behind");
    for _ in 0..(WINDOW - RESUME) / MAX_ITEM {
        viewer.next(true).await;
    }
    viewers.caught_up().await;
    assert!(viewers.held_until(Instant::now()).is_none());
}

#[tokio::test]
async fn what_waits_is_joined_in_order() {
    let mut viewers = Viewers::default();
    let mut viewer = join(&mut viewers, TerminalMode::Interactive).unwrap();
    let size = TerminalSize { cols: 80, rows: 24 };
    for word in ["a", "b", "c"] {
        viewers.output(0, &Bytes::from_static(word.as_bytes()));
    }
    viewers.resized(size);
    viewers.output(0, &Bytes::from_static(b"d"));
    assert!(matches!(viewer.next(true).await, FeedItem::Output(_, bytes) if bytes == "abc"));
    assert!(matches!(viewer.next(true).await, FeedItem::Resized(resized) if resized == size));
    assert!(matches!(viewer.next(true).await, FeedItem::Output(_, bytes) if bytes == "d"));
}

#[tokio::test]
async fn after_an_interrupt_nobody_waits_for_what_was_printed_before() {
    let mut viewers = Viewers::default();
    let mut viewer = join(&mut viewers, TerminalMode::Interactive).unwrap();
    viewers.output(0, &Bytes::from_static(b"little"));
    viewers.interrupted();
    assert!(matches!(viewer.next(true).await, FeedItem::Output(..)));
    viewers.output(0, &Bytes::from(vec![b'x'; MAX_STALE + 1]));
    viewers.interrupted();
    assert!(matches!(viewer.next(true).await, FeedItem::Lagged(_)));
}

#[tokio::test]
async fn a_viewer_that_reads_nothing_is_told_the_last_state_only() {
    let mut viewers = Viewers::default();
    let mut viewer = join(&mut viewers, TerminalMode::Interactive).unwrap();
    viewers.output(0, &Bytes::from_static(b"a"));
    for cols in 40..1000 {
        viewers.resized(TerminalSize { cols, rows: 24 });
        viewers.leased(None);
    }
    viewers.output(0, &Bytes::from_static(b"b"));
    viewers.resized(TerminalSize { cols: 80, rows: 24 });
    assert_eq!(viewer.0.lock().waiting.len(), 5);
    assert!(matches!(viewer.next(true).await, FeedItem::Output(..)));
    assert!(matches!(viewer.next(true).await, FeedItem::Resized(size) if size.cols == 999));
    assert!(matches!(viewer.next(true).await, FeedItem::Leased(None)));
    assert!(matches!(viewer.next(true).await, FeedItem::Output(..)));
    assert!(matches!(viewer.next(true).await, FeedItem::Resized(size) if size.cols == 80));
}

async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// A viewer's own connection, and its other end.
async fn connect() -> (WebSocketStream<Wire>, WebSocketStream<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let viewer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    set_socket_send_buffer_size(&stream, SEND_BUFFER).unwrap();
    let mut socket = WebSocketStream::from_raw_socket(Wire::new(stream), Role::Server, None).await;
    let mut viewer = WebSocketStream::from_raw_socket(viewer, Role::Client, None).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(viewer.next().await.unwrap().unwrap(), Message::text("hello"));
    (socket, viewer)
}

fn join_with(viewers: &mut Viewers, socket: &WebSocketStream<Wire>, v1: bool) -> Feed {
    let (mode, outlet) = (TerminalMode::Interactive, Some(socket.get_ref().outlet(v1)));
    viewers.join(Joining { viewer: ViewerId(0), mode, outlet }, 0).unwrap()
}

macro_rules! assert_waits {
    ($feed:expr, $may_write:expr) => {
        assert!(futures::poll!(std::pin::pin!($feed.next($may_write))).is_pending());
    };
}

#[tokio::test]
async fn a_viewer_whose_task_waits_has_output_without_it() {
    let mut viewers = Viewers::default();
    for v1 in [false, true] {
        let (socket, mut viewer) = connect().await;
        let mut feed = join_with(&mut viewers, &socket, v1);
        viewers.output(0, &Bytes::from_static(b"a"));
        assert!(matches!(feed.next(true).await, FeedItem::Output(0, _)), "its task has not begun to wait");
        assert_waits!(feed, true);
        viewers.output(1, &Bytes::from_static(b"\xff\xc3\xa9"));
        let expected =
            if v1 { Message::binary(with_offset(1, b"\xff\xc3\xa9")) } else { Message::text("\u{fffd}é") };
        assert_eq!(within("a frame comes", viewer.next()).await.unwrap().unwrap(), expected);
        assert_waits!(feed, false);
        viewers.output(4, &Bytes::from_static(b"b"));
        assert!(matches!(feed.next(true).await, FeedItem::Output(4, _)), "its task has not sent all of it");
        viewers.output(5, &Bytes::from_static(b"c"));
        viewers.resized(TerminalSize { cols: 80, rows: 24 });
        viewers.output(6, &Bytes::from_static(b"d"));
        assert!(matches!(feed.next(true).await, FeedItem::Output(5, _)));
        assert!(matches!(feed.next(true).await, FeedItem::Resized(_)));
        assert!(matches!(feed.next(true).await, FeedItem::Output(6, _)));
    }
}

#[tokio::test]
async fn half_a_character_waits_for_the_task_that_has_its_other_half() {
    let mut viewers = Viewers::default();
    let (socket, _viewer) = connect().await;
    let mut feed = join_with(&mut viewers, &socket, false);
    assert_waits!(feed, true);
    viewers.output(0, &Bytes::from_static(b"a\xc3"));
    assert!(matches!(feed.next(true).await, FeedItem::Output(0, bytes) if bytes == b"a\xc3"[..]));
}

#[tokio::test]
async fn a_viewer_that_reads_late_has_everything_in_order() {
    let mut viewers = Viewers::default();
    let (mut socket, mut viewer) = connect().await;
    let mut feed = join_with(&mut viewers, &socket, false);
    assert_waits!(feed, true);
    let (mut printed, mut has_filled) = (Vec::new(), false);
    // So much that the system takes a part of a frame, and some behind it.
    for letter in (b'a'..=b'z').cycle().take(4096) {
        let chunk = vec![letter; 1000];
        viewers.output(printed.len() as u64, &Bytes::from(chunk.clone()));
        printed.extend_from_slice(&chunk);
        if has_filled {
            break;
        }
        has_filled = !feed.0.lock().waiting.is_empty();
    }
    assert!(matches!(feed.0.lock().waiting.front(), Some(FeedItem::Unsent)));
    let count = printed.len();
    let reading = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < count {
            match viewer.next().await.unwrap().unwrap() {
                Message::Text(text) => seen.extend_from_slice(text.as_bytes()),
                frame => assert_eq!(frame, Message::Ping("between".into())),
            }
        }
        seen
    });
    // Its task has something else to say first.
    socket.send(Message::Ping("between".into())).await.unwrap();
    assert!(matches!(feed.next(true).await, FeedItem::Unsent));
    socket.flush().await.unwrap();
    let FeedItem::Output(_, rest) = feed.next(true).await else { panic!("there is more") };
    socket.send(Message::text(String::from_utf8(rest.to_vec()).unwrap())).await.unwrap();
    assert_eq!(within("all was read", reading).await.unwrap(), printed);
}

#[tokio::test]
async fn what_the_task_has_begun_to_send_is_not_cut_in_two() {
    let mut viewers = Viewers::default();
    let (mut socket, mut viewer) = connect().await;
    let mut feed = join_with(&mut viewers, &socket, false);
    assert_waits!(feed, true);
    let long = Message::text("x".repeat(8 * 1024 * 1024));
    let mut sending = Box::pin(socket.send(long.clone()));
    assert!(futures::poll!(&mut sending).is_pending(), "nobody reads");
    viewers.output(0, &Bytes::from_static(b"a"));
    let (sent, read) = within("the long frame comes", async { tokio::join!(sending, viewer.next()) }).await;
    sent.unwrap();
    assert_eq!(read.unwrap().unwrap(), long);
    assert!(matches!(feed.next(true).await, FeedItem::Output(0, _)));
    assert_waits!(feed, true);
    viewers.output(1, &Bytes::from_static(b"b"));
    assert_eq!(within("a frame comes", viewer.next()).await.unwrap().unwrap(), Message::text("b"));
}

#[test]
fn who_typed_last_is_first_and_others_stay_in_order() {
    let mut viewers = Viewers::default();
    let feeds = [1, 2, 3, 4].map(|id| {
        let joining = Joining { viewer: ViewerId(id), mode: TerminalMode::Interactive, outlet: None };
        viewers.join(joining, 0).unwrap()
    });
    let order = |viewers: &Viewers| viewers.feeds.iter().map(|(viewer, _)| viewer.0).collect::<Vec<_>>();
    assert_eq!(order(&viewers), [1, 2, 3, 4]);
    viewers.typed(ViewerId(3));
    assert_eq!(order(&viewers), [3, 1, 2, 4]);
    viewers.typed(ViewerId(3));
    viewers.typed(ViewerId(9));
    assert_eq!(order(&viewers), [3, 1, 2, 4]);
    viewers.typed(ViewerId(2));
    assert_eq!(order(&viewers), [2, 3, 1, 4]);
    drop(feeds);
}
