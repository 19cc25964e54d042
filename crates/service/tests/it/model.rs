//! Exactly once, over any history: sources that repeat themselves, restarts, subscribers that come and go.

use parallax_api::{Event, EventData, Time};
use parallax_service::events::EventLog;
use proptest::prelude::*;

use crate::events::{busy, next, open};

#[derive(Clone, Debug)]
enum Step {
    /// The source tells the event with this number, perhaps once more.
    Tell { source: u8, seq: u64 },
    /// The subscriber reads one event, if there must be one.
    Read,
    /// The subscriber's connection ends; it resumes from the last id it has.
    Reconnect,
    /// The server ends and another takes over; the subscriber resumes.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u8..3, 1u64..12).prop_map(|(source, seq)| Step::Tell { source, seq }),
        6 => Just(Step::Read),
        2 => Just(Step::Reconnect),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_subscriber_that_resumes_has_every_event_once(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(steps));
    }

    #[test]
    fn a_short_memory_is_told_never_passed_over(told in 1u64..40, keep in 1u64..10, since in 0u64..40) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(forget(told, keep, since.min(told)));
    }
}

async fn play(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir, 1000).await;
    let mut taken = [0; 3];
    let mut expected: Vec<Event> = Vec::new();
    let mut read: Vec<Event> = Vec::new();
    let follow = |log: &EventLog, read: &[Event]| {
        let since = read.last().map_or("0".into(), |event| event.id.clone());
        Box::pin(log.subscribe(Some(since), None))
    };
    let mut events = follow(&log, &read);
    for step in steps {
        match step {
            Step::Tell { source, seq } => {
                let name = format!("s{source}");
                let event = log.append(&name, seq, busy(&name), Time::now()).await.unwrap();
                let is_new = seq > taken[usize::from(source)];
                assert_eq!(event.is_some(), is_new);
                taken[usize::from(source)] = seq.max(taken[usize::from(source)]);
                expected.extend(event);
                assert_eq!(log.source_seq(&name).await.unwrap(), taken[usize::from(source)]);
            }
            Step::Read if read.len() < expected.len() => read.extend(next(&mut events, 1).await),
            Step::Read => {}
            Step::Reconnect => events = follow(&log, &read),
            Step::Restart => {
                drop((log, events));
                log = open(&dir, 1000).await;
                events = follow(&log, &read);
            }
        }
    }
    let rest = expected.len() - read.len();
    read.extend(next(&mut events, rest).await);
    // The wire has milliseconds; what is live in memory may be finer.
    let ids = |events: &[Event]| events.iter().map(|event| event.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&read), ids(&expected));
}

async fn forget(told: u64, keep: u64, since: u64) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, keep).await;
    let mut ids = vec!["0".to_owned()];
    for seq in 1..=told {
        ids.push(log.append("a", seq, busy("a"), Time::now()).await.unwrap().unwrap().id);
    }
    let lost = since > 0 && since + keep < told;
    let kept = (told - since).min(keep);
    let mut events = Box::pin(log.subscribe(Some(ids[since as usize].clone()), None));
    let got = next(&mut events, usize::from(lost) + kept as usize).await;
    assert_eq!(lost, got.first().is_some_and(|event| matches!(event.data, EventData::Reset { .. })));
    let tail: Vec<_> = got.iter().skip(usize::from(lost)).map(|event| event.id.clone()).collect();
    assert_eq!(tail, ids[(told - kept + 1) as usize..]);
}
