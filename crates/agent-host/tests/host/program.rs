//! The program as it was linked.

use std::fs::File;
use std::io::Read as _;

/// `ET_EXEC`: the program lies where it was linked to lie, and has no addresses that the loader must write anew for each agent.
const AT_ITS_PLACE: u16 = 2;

#[test]
fn lies_at_one_place() {
    let mut head = [0; 18];
    File::open(env!("CARGO_BIN_EXE_parallax-agent-host")).unwrap().read_exact(&mut head).unwrap();
    assert_eq!(&head[..4], b"\x7fELF");
    assert_eq!(u16::from_ne_bytes([head[16], head[17]]), AT_ITS_PLACE);
}
