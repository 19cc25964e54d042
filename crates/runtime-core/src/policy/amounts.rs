//! Amounts that an agent may have: cpu, memory, disk, processes, time.

use anyhow::{Context, anyhow, ensure};
use parallax_api::agent::{CpuQuantity, Resources};
use parallax_api::time::parse_duration;

use crate::args::name_and_value;

/// What there can be an amount of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// CPUs, in billionths.
    Cpu,
    /// Memory, in bytes.
    Memory,
    /// Disk space, in bytes.
    Disk,
    /// Processes and threads.
    Pids,
    /// Seconds from the spawn to the end.
    Lifetime,
    /// Seconds in which nothing happens.
    Idle,
}

impl Amount {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Cpu, Self::Memory, Self::Disk, Self::Pids, Self::Lifetime, Self::Idle];
    /// Those that a host holds its agent to, wherever it runs.
    pub const TIMES: [Self; 2] = [Self::Lifetime, Self::Idle];

    /// Its name in flags and files.
    pub fn key(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Pids => "pids",
            Self::Lifetime => "lifetime",
            Self::Idle => "idle",
        }
    }

    /// The field of a spawn request.
    pub fn field(self) -> &'static str {
        match self {
            Self::Cpu => "resources.cpu",
            Self::Memory => "resources.memory",
            Self::Disk => "resources.disk",
            Self::Pids => "resources.pids",
            Self::Lifetime => "maxLifetimeSeconds",
            Self::Idle => "idleTimeoutSeconds",
        }
    }

    /// Whether it is set aside for an agent where something is set aside.
    pub(super) fn is_resource(self) -> bool {
        matches!(self, Self::Cpu | Self::Memory | Self::Disk)
    }
}

/// An amount of each, where there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts([Option<u64>; Amount::ALL.len()]);

impl Amounts {
    /// These amounts and no others.
    pub const fn new(amounts: &[(Amount, u64)]) -> Self {
        let mut made = [None; Amount::ALL.len()];
        let mut at = 0;
        while at < amounts.len() {
            made[amounts[at].0 as usize] = Some(amounts[at].1);
            at += 1;
        }
        Self(made)
    }

    /// `cpu=2`, `memory=8Gi`, `disk=20Gi`, `pids=512`, `lifetime=8h`, `idle=30m`: the values of `flag`.
    pub(super) fn parse(flag: &str, texts: &[String]) -> anyhow::Result<Self> {
        let mut amounts = Self::default();
        for text in texts {
            let (name, value) = name_and_value(flag, text)?;
            let amount = Amount::ALL.into_iter().find(|amount| amount.key() == name).ok_or_else(|| {
                let known = Amount::ALL.map(Amount::key).join(", ");
                anyhow!("{flag}: `{name}` is none of {known}")
            })?;
            let parsed = parse(amount, &value).with_context(|| format!("{flag} {text}"))?;
            amounts.set(amount, Some(parsed));
        }
        Ok(amounts)
    }

    /// One of them.
    pub fn get(&self, amount: Amount) -> Option<u64> {
        self.0[amount as usize]
    }

    /// Sets one of them.
    pub fn set(&mut self, amount: Amount, value: Option<u64>) {
        self.0[amount as usize] = value;
    }

    /// Those that are there.
    pub(super) fn named(&self) -> impl Iterator<Item = Amount> {
        Amount::ALL.into_iter().filter(|amount| self.get(*amount).is_some())
    }

    /// These, and the others' where there is none.
    pub(super) fn or(mut self, others: &Self) -> Self {
        for amount in Amount::ALL {
            self.set(amount, self.get(amount).or(others.get(amount)));
        }
        self
    }

    /// These, none of them above the others.
    pub(super) fn at_most(mut self, others: &Self) -> Self {
        for amount in Amount::ALL {
            if self.exceeds(others, amount) {
                self.set(amount, others.get(amount));
            }
        }
        self
    }

    /// Whether one of them is more than the others'.
    pub(super) fn exceeds(&self, others: &Self, amount: Amount) -> bool {
        self.get(amount).zip(others.get(amount)).is_some_and(|(own, most)| own > most)
    }

    /// One of them as a request has it; empty where there is none.
    pub fn text(&self, amount: Amount) -> String {
        let Some(value) = self.get(amount) else { return String::new() };
        match amount {
            Amount::Cpu => match value % 1_000_000_000 {
                0 => (value / 1_000_000_000).to_string(),
                _ => format!("{}m", value.div_ceil(1_000_000)),
            },
            Amount::Memory | Amount::Disk => {
                let units = [(1 << 40, "Ti"), (1 << 30, "Gi"), (1 << 20, "Mi")];
                let unit = units.into_iter().find(|(size, _)| value >= *size && value % size == 0);
                unit.map_or_else(|| value.to_string(), |(size, unit)| format!("{}{unit}", value / size))
            }
            Amount::Pids => value.to_string(),
            Amount::Lifetime | Amount::Idle => value.to_string(),
        }
    }
}

fn parse(amount: Amount, text: &str) -> anyhow::Result<u64> {
    let resources = match amount {
        Amount::Cpu => Resources { cpu: Some(CpuQuantity::Text(text.into())), ..Resources::default() },
        Amount::Memory => Resources { memory: Some(text.into()), ..Resources::default() },
        Amount::Disk => Resources { disk: Some(text.into()), ..Resources::default() },
        Amount::Pids => {
            let pids: u32 = text.parse().context("a number of processes")?;
            ensure!(pids > 0, "a number of processes is at least 1");
            return Ok(pids.into());
        }
        Amount::Lifetime | Amount::Idle => return seconds(text),
    };
    let parsed = match amount {
        Amount::Cpu => resources.nano_cpus(),
        Amount::Memory => resources.memory_bytes(),
        _ => resources.disk_bytes(),
    };
    parsed.map_err(|problem| anyhow!(problem.detail))?.context("an amount")
}

/// The longest time, in seconds: a year, which everything that counts seconds here takes.
const LONGEST: u64 = 31_536_000;

/// A time: `90` or `90s`, `30m`, `8h`, `2d`.
fn seconds(text: &str) -> anyhow::Result<u64> {
    parse_duration(text)
        .filter(|time| time.subsec_nanos() == 0)
        .map(|time| time.as_secs())
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .context("a time is 1s to 365d, such as 90s, 30m, 8h or 2d")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_shown_in_the_words_of_a_request() {
        for (text, shown) in [
            ("cpu=2", "2"),
            ("cpu=0.5", "500m"),
            ("memory=8Gi", "8Gi"),
            ("memory=1.5g", "1536Mi"),
            ("disk=20G", "20000000000"),
            ("pids=512", "512"),
            ("lifetime=8h", "28800"),
            ("idle=90", "90"),
        ] {
            let amounts = Amounts::parse("--max", &[text.into()]).unwrap();
            assert_eq!(amounts.text(amounts.named().next().unwrap()), shown, "{text}");
        }
        for wrong in [
            "cpu=0",
            "cpu=-1",
            "memory=lots",
            "pids=0",
            "lifetime=0",
            "lifetime=1w",
            "lifetime=1500ms",
            "idle=900d",
            "gpu=1",
            "cpu",
        ] {
            assert!(Amounts::parse("--max", &[wrong.into()]).is_err(), "{wrong}");
        }
    }
}
