//! What a made-up agent answers.

use crate::world::Rng;

/// An answer that mostly fits what was asked; `asking` of a hundred are questions.
pub fn answer(dice: &mut Rng, text: &str, asking: u64) -> String {
    let fits = !dice.chance(10);
    if text.contains("asks the question between the lines") {
        return match dice.below(3) {
            0 => "ESCALATE".into(),
            _ if text.contains("ANSWER: red") && fits => "ANSWER: red".into(),
            _ if text.contains("ANSWER: yes") && fits => "ANSWER: yes".into(),
            _ => "Take ${this} for $5.".into(),
        };
    }
    if dice.chance(asking) {
        return ["QUESTION: which one?", "QUESTION (money): how much?"][dice.pick(2)].into();
    }
    if text.contains("VERDICT: APPROVED") {
        return match (fits, dice.chance(80)) {
            (false, _) => "Hm.".into(),
            (true, true) => "Fine.\nVERDICT: APPROVED".into(),
            (true, false) => "No.\nVERDICT: REJECTED".into(),
        };
    }
    if text.contains("BEST: 1") {
        return if fits { "BEST: 1".into() } else { "All of them.".into() };
    }
    if text.contains("one JSON object") {
        return if fits { "{\"value\": 7}".into() } else { "seven".into() };
    }
    ["yes", "no", "A long answer with ${input.x} and $5."][dice.pick(3)].into()
}
