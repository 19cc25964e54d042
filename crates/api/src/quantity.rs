//! Amounts of CPU, memory and disk space, in the spellings that people know from Docker and Kubernetes.

use crate::Problem;
use crate::agent::{CpuQuantity, Resources};

/// The most CPUs that can be asked for.
const MAX_CPUS: f64 = 4096.0;
/// A thousandth of a CPU, the least there is, in billionths.
const MILLI_CPU: u64 = 1_000_000;
/// The most memory that can be asked for, in bytes: 2^53, more than any machine has and exact in JSON.
const MAX_MEMORY: f64 = 9_007_199_254_740_992.0;

impl Resources {
    /// The CPUs, in billionths of one. Fails with `VALIDATION_ERROR` for what is no amount.
    pub fn nano_cpus(&self) -> Result<Option<u64>, Problem> {
        let Some(asked) = &self.cpu else { return Ok(None) };
        let cpus = match asked {
            CpuQuantity::Number(cpus) => Some(*cpus),
            CpuQuantity::Text(text) => match text.trim().strip_suffix('m') {
                Some(thousandths) => number(thousandths).map(|thousandths| thousandths / 1000.0),
                None => number(text.trim()),
            },
        };
        let nanos =
            cpus.filter(|cpus| (0.0..=MAX_CPUS).contains(cpus)).map(|cpus| (cpus * 1e9).round() as u64);
        nanos.filter(|nanos| *nanos >= MILLI_CPU).map(Some).ok_or_else(|| {
            Problem::invalid(
                "resources.cpu",
                format!("a number of CPUs is 0.001 to {MAX_CPUS}, such as 2, \"0.5\" or \"500m\""),
            )
        })
    }

    /// The memory, in bytes. `512m`, `1.5g` as in Docker (binary), `512Mi`, `1.5Gi` (binary) and `512M`, `2G` (decimal)
    /// as in Kubernetes. Fails with `VALIDATION_ERROR` for what is no amount.
    pub fn memory_bytes(&self) -> Result<Option<u64>, Problem> {
        let Some(asked) = &self.memory else { return Ok(None) };
        bytes(asked).map(Some).ok_or_else(|| {
            Problem::invalid(
                "resources.memory",
                "an amount of memory is bytes with a unit, such as \"512m\", \"512Mi\" or \"1.5Gi\"",
            )
        })
    }

    /// The disk space, in bytes, in the spellings of the memory. Fails with `VALIDATION_ERROR` for what is no amount.
    pub fn disk_bytes(&self) -> Result<Option<u64>, Problem> {
        let Some(asked) = &self.disk else { return Ok(None) };
        bytes(asked).map(Some).ok_or_else(|| {
            Problem::invalid(
                "resources.disk",
                "an amount of disk space is bytes with a unit, such as \"512m\", \"500Mi\" or \"10Gi\"",
            )
        })
    }

    /// Checks every amount. Fails with `VALIDATION_ERROR` naming the field.
    pub fn check(&self) -> Result<(), Problem> {
        self.nano_cpus()?;
        self.memory_bytes()?;
        self.disk_bytes()?;
        if self.pids == Some(0) {
            return Err(Problem::invalid("resources.pids", "a number of processes is at least 1"));
        }
        Ok(())
    }
}

/// An amount of memory or disk space: bytes with a unit, such as `512m`, `1.5Gi` or `2G`. None for what is no amount.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (amount, unit) = text.split_at(digits);
    let bytes = number(amount).zip(factor(unit)).map(|(amount, factor)| amount * factor);
    bytes.filter(|bytes| (1.0..=MAX_MEMORY).contains(bytes)).map(|bytes| bytes.round() as u64)
}

/// A number of bytes for people, with a unit.
pub fn shown_bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// Digits with at most one point; no sign, no exponent.
fn number(text: &str) -> Option<f64> {
    let plain =
        text.chars().all(|c| c.is_ascii_digit() || c == '.') && text.contains(|c: char| c.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// How many bytes a unit is. Small letters are Docker's, capital ones Kubernetes'.
fn factor(unit: &str) -> Option<f64> {
    let power = |base: f64, exponent: i32| Some(base.powi(exponent));
    match unit {
        "" | "b" | "B" => Some(1.0),
        "k" | "kb" | "Ki" => power(1024.0, 1),
        "m" | "mb" | "Mi" => power(1024.0, 2),
        "g" | "gb" | "Gi" => power(1024.0, 3),
        "t" | "tb" | "Ti" => power(1024.0, 4),
        "K" => power(1000.0, 1),
        "M" => power(1000.0, 2),
        "G" => power(1000.0, 3),
        "T" => power(1000.0, 4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        assert_eq!([512, 2048, 3 << 40].map(shown_bytes), ["512 B", "2.0 KiB", "3.0 TiB"]);
    }

    #[test]
    fn cpus() {
        let nanos = |cpu: serde_json::Value| {
            let resources: Resources = serde_json::from_value(serde_json::json!({ "cpu": cpu })).unwrap();
            resources.nano_cpus().ok().flatten()
        };
        for (cpu, expected) in [
            (serde_json::json!(2), Some(2_000_000_000)),
            (serde_json::json!(0.5), Some(500_000_000)),
            (serde_json::json!("0.5"), Some(500_000_000)),
            (serde_json::json!("500m"), Some(500_000_000)),
            (serde_json::json!("1m"), Some(1_000_000)),
            (serde_json::json!(0), None),
            (serde_json::json!(-1), None),
            (serde_json::json!("1e3"), None),
            (serde_json::json!("0.5m"), None),
            (serde_json::json!("two"), None),
            (serde_json::json!(""), None),
            (serde_json::json!("1.2.3"), None),
            (serde_json::json!(1e9), None),
        ] {
            assert_eq!(nanos(cpu.clone()), expected, "{cpu}");
        }
    }

    #[test]
    fn memory() {
        for (text, expected) in [
            ("512m", Some(512 << 20)),
            ("512mb", Some(512 << 20)),
            ("512Mi", Some(512 << 20)),
            ("1.5Gi", Some(3 << 29)),
            ("1.5g", Some(3 << 29)),
            ("512M", Some(512_000_000)),
            ("1048576", Some(1 << 20)),
            ("64k", Some(64 << 10)),
            ("", None),
            ("0", None),
            ("lots", None),
            ("-1g", None),
            ("1 g", None),
            ("1GiB", None),
            ("99999999T", None),
        ] {
            let resources = Resources { memory: Some(text.into()), ..Resources::default() };
            assert_eq!(resources.memory_bytes().ok().flatten(), expected, "{text}");
        }
    }
}
