//! Who decides the size of the terminal: the viewer that took it last, and has not left.

use parallax_api::{Code, Problem, TerminalSize};

/// A viewer, for as long as it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewerId(pub u64);

/// What a viewer wants of the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Take it, and set this size.
    Take(TerminalSize),
    /// Its window has another size.
    Resize(TerminalSize),
    /// Give it back.
    Release,
}

/// The viewers that took the size, and the size the terminal has without them.
///
/// When the holder leaves, the size goes back to whom it was taken from, if that viewer is still there.
#[derive(Debug)]
pub struct Lease {
    unheld: TerminalSize,
    /// The holder is the last one.
    claims: Vec<(ViewerId, TerminalSize)>,
}

impl Lease {
    /// Nobody holds the terminal, which has this size.
    pub fn new(size: TerminalSize) -> Self {
        Self { unheld: size, claims: Vec::new() }
    }

    /// Who decides.
    pub fn holder(&self) -> Option<ViewerId> {
        self.claims.last().map(|(viewer, _)| *viewer)
    }

    /// The size that the terminal is to have.
    pub fn size(&self) -> TerminalSize {
        self.claims.last().map_or(self.unheld, |(_, size)| *size)
    }

    /// Takes a claim; a size that is too small for an agent counts as the smallest. Fails with `VALIDATION_ERROR` for a
    /// size that no terminal has, with `CONFLICT` when a viewer resizes that never took the size.
    pub fn claim(&mut self, viewer: ViewerId, claim: Claim) -> Result<(), Problem> {
        if let Claim::Take(size) | Claim::Resize(size) = claim
            && !size.is_sane()
        {
            return Err(Problem::invalid("size", "2 to 1000 columns and rows"));
        }
        let claimed = self.claims.iter().position(|(claimed, _)| *claimed == viewer);
        match (claim, claimed) {
            (Claim::Take(size), _) => {
                self.claims.retain(|(claimed, _)| *claimed != viewer);
                self.claims.push((viewer, size.for_agent()));
            }
            (Claim::Resize(size), Some(index)) => self.claims[index].1 = size.for_agent(),
            (Claim::Resize(_), None) => {
                let detail =
                    "this viewer does not hold the size of the terminal; take it with a `lease` frame";
                return Err(Problem::new(Code::Conflict, detail));
            }
            (Claim::Release, _) => self.claims.retain(|(claimed, _)| *claimed != viewer),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: TerminalSize = TerminalSize { cols: 120, rows: 40 };

    fn size(cols: u16, rows: u16) -> TerminalSize {
        TerminalSize { cols, rows }
    }

    #[test]
    fn the_size_from_before_comes_back() {
        let (one, two) = (ViewerId(1), ViewerId(2));
        let mut lease = Lease::new(BEFORE);
        let steps = [
            (one, Claim::Take(size(80, 24)), Some(one), size(80, 24)),
            (two, Claim::Take(size(100, 30)), Some(two), size(100, 30)),
            // Whoever it was taken from may still change its mind about its own size.
            (one, Claim::Resize(size(90, 25)), Some(two), size(100, 30)),
            (two, Claim::Release, Some(one), size(90, 25)),
            (two, Claim::Release, Some(one), size(90, 25)),
            (two, Claim::Take(size(20, 5)), Some(two), size(40, 10)),
            (one, Claim::Take(size(81, 24)), Some(one), size(81, 24)),
            (two, Claim::Release, Some(one), size(81, 24)),
            (one, Claim::Release, None, BEFORE),
        ];
        for (index, (viewer, claim, holder, size)) in steps.into_iter().enumerate() {
            assert_eq!(lease.claim(viewer, claim), Ok(()), "step {index}");
            assert_eq!((lease.holder(), lease.size()), (holder, size), "step {index}");
        }
    }

    #[test]
    fn who_only_looks_resizes_nothing() {
        let mut lease = Lease::new(BEFORE);
        let refusal = |result: Result<(), Problem>| result.map_err(|problem| problem.code);
        assert_eq!(refusal(lease.claim(ViewerId(1), Claim::Resize(size(80, 24)))), Err(Code::Conflict));
        assert_eq!(refusal(lease.claim(ViewerId(1), Claim::Take(size(80, 1)))), Err(Code::Validation));
        assert_eq!((lease.holder(), lease.size()), (None, BEFORE));
    }
}
