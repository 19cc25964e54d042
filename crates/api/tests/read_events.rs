//! Lines and events are read like `Deserialize` reads them.

use parallax_api::host::{HostEvent, HostLine};
use parallax_api::{Agent, AgentError, AgentId, Event, EventData, Time};

fn agent() -> Box<Agent> {
    let mut agent = Agent::new(AgentId::generate(), "a \"name\"", "shell", "local", Time::now());
    agent.labels = [("team".to_owned(), "x".to_owned())].into();
    agent.workdir = Some("/work".into());
    Box::new(agent)
}

fn events() -> Vec<EventData> {
    vec![
        EventData::AgentReady { agent: agent() },
        EventData::AgentStopped { agent: agent(), reason: "exited".into() },
        EventData::AgentError {
            agent: agent(),
            error: AgentError { code: "cli_error".into(), message: "no".into(), since: None },
        },
        EventData::Reset { reason: "\u{1f980}".into() },
    ]
}

#[test]
fn a_line_of_a_host() {
    let mut lines = vec![
        HostLine::State { agent: agent() },
        HostLine::Gap { oldest: 7 },
        HostLine::Alive { alive: true },
    ];
    let event = |data| HostLine::Event(HostEvent { seq: 7, data, timestamp: Time::from_millis(1_000) });
    lines.extend(events().into_iter().map(event));
    for line in lines {
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(HostLine::read(&text).unwrap(), line, "{text}");
        assert_eq!(serde_json::from_str::<HostLine>(&text).unwrap(), line, "{text}");
    }
    let unknown = [
        "",
        "{}",
        "7",
        r#"{"oldest":"x"}"#,
        r#"{"seq":1,"event":"hatched","data":{},"timestamp":"2026-11-26T10:00:00Z"}"#,
        r#"{"seq":1,"event":"agent_ready","data":{},"timestamp":"2026-11-26T10:00:00Z"}"#,
    ];
    for text in unknown {
        assert!(HostLine::read(text).is_err(), "{text}");
        assert!(serde_json::from_str::<HostLine>(text).is_err(), "{text}");
    }
}

#[test]
fn an_event_of_a_server() {
    for data in events() {
        let event = Event { id: "log-7".into(), data, timestamp: Time::from_millis(1_000) };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(Event::read(&text).unwrap(), event, "{text}");
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
    }
    for text in ["{}", r#"{"id":"a-1","event":"hatched","data":{},"timestamp":"2026-11-26T10:00:00Z"}"#] {
        assert!(Event::read(text).is_err(), "{text}");
    }
}
