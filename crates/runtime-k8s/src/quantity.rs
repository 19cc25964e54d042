//! Amounts as Kubernetes writes them.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The value of a quantity; none for a text that is no quantity.
pub(crate) fn value(quantity: &Quantity) -> Option<f64> {
    let text = quantity.0.trim();
    let is_exponent = |(at, c): (usize, char)| {
        let rest = &text[at + 1..];
        matches!(c, 'e' | 'E') && rest.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-')
    };
    if text.char_indices().any(is_exponent) {
        return text.parse().ok().filter(|value: &f64| value.is_finite());
    }
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024_f64,
        "Mi" => 1024_f64.powi(2),
        "Gi" => 1024_f64.powi(3),
        "Ti" => 1024_f64.powi(4),
        "Pi" => 1024_f64.powi(5),
        "Ei" => 1024_f64.powi(6),
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (text, expected) in [
            ("2", Some(2.0)),
            ("500m", Some(0.5)),
            ("1e3", Some(1000.0)),
            ("1E", Some(1e18)),
            ("1.5Gi", Some(1.5 * 1_073_741_824.0)),
            ("128974848", Some(128_974_848.0)),
            ("100u", Some(0.0001)),
            ("1g", None),
            ("", None),
            ("lots", None),
        ] {
            let read = value(&Quantity(text.into()));
            let is_same = match (read, expected) {
                (Some(read), Some(expected)) => (read - expected).abs() <= expected * 1e-9,
                (read, expected) => read == expected,
            };
            assert!(is_same, "{text}: {read:?}");
        }
    }
}
