//! Event ids: opaque outside, inside the epoch of the log and the number of the event.

/// Names one log, so that an id of another one (another server, a state directory that was emptied) is told apart.
#[derive(Clone, Debug)]
pub(super) struct Epoch(String);

/// Where a subscriber wants to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// After the event with this number.
    After(u64),
    /// At the oldest event kept.
    Oldest,
    /// The id is not of this log.
    Unknown,
}

impl Epoch {
    pub fn new(epoch: String) -> Self {
        Self(epoch)
    }

    /// The id of the event with this number.
    pub fn id(&self, seq: u64) -> String {
        format!("{}-{seq}", self.0)
    }

    /// Where the client that sends this id wants to start.
    pub fn since(&self, id: &str) -> Since {
        if id == "0" {
            return Since::Oldest;
        }
        match id.split_once('-').map(|(epoch, seq)| (epoch, seq.parse())) {
            Some((epoch, Ok(seq))) if epoch == self.0 => Since::After(seq),
            _ => Since::Unknown,
        }
    }
}
