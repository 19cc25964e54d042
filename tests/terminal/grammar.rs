//! What programs write: sequences that meet one another, with small numbers so that they do.

use proptest::prelude::*;
use proptest::sample::select;

use crate::reference::Step;

/// Characters of [`text`] that have no columns of their own.
const JOINERS: [char; 6] = ['\u{301}', '\u{200d}', '\u{feff}', '\u{200b}', '\u{ad}', '\u{e0041}'];

/// Writes and resizes: all characters in rows that wrap, or narrow ones in rows that do not always. A wide character that is
/// dropped at the edge of a row that does not wrap is something only the terminal knows that dropped it; so are tab stops
/// behind the edge of a screen that was wider, and a link or
/// an underline that is set but, after the cursor was restored, not in use.
pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![4 => steps_of(true, 1, most), 1 => steps_of(false, 1, most), 2 => steps_of(true, 0, most)]
}

fn steps_of(wide: bool, resizes: u32, most: usize) -> impl Strategy<Value = Vec<Step>> {
    let piece = prop_oneof![30 => piece(wide), 3 => if resizes == 0 { extended() } else { restored() }];
    let write = prop::collection::vec(piece, 1..8).prop_map(|pieces| Step::Write(pieces.concat()));
    let resize = (4..30u16, 2..12u16).prop_map(|(cols, rows)| Step::Resize(cols, rows));
    prop::collection::vec(prop_oneof![12 => write, resizes => resize], 1..most).prop_map(without_orphans)
}

/// What joins a character that a resize may have moved away makes of xterm.js itself something else with every cutting of
/// the stream: it joins another one here.
fn without_orphans(mut steps: Vec<Step>) -> Vec<Step> {
    let mut is_resized = false;
    for step in &mut steps {
        match step {
            Step::Write(text) if is_resized && text.starts_with(JOINERS) => text.insert(0, 'x'),
            _ => {}
        }
        is_resized = matches!(step, Step::Resize(..));
    }
    steps
}

fn piece(wide: bool) -> BoxedStrategy<String> {
    let wrap = select(vec!["\x1b[?7l", "\x1b[?7h"]).prop_map(str::to_owned);
    let text = if wide { text().boxed() } else { prop_oneof![6 => "[a-z─│é]{1,34}", 1 => wrap].boxed() };
    prop_oneof![
        10 => text,
        5 => control(),
        4 => style(),
        5 => cursor(),
        4 => edit(),
        3 => mode(),
        2 => other(),
        2 => odd(),
    ]
    .boxed()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z ]{1,34}",
        2 => "[─│❯✳é£]{1,6}",
        2 => "[漢字表👍✅📦a ]{1,12}",
        1 => select(vec![
            "e\u{301}", "o\u{308}\u{301}", "\u{301}", "👩\u{200d}👩\u{200d}👧", "🇩🇪", "🇩", "👍🏽", "❤\u{fe0f}", "❤", "\u{200d}", "b\u{feff}",
            "\u{ad}", "한", "각", "\u{e0041}", "ก\u{e33}", "\u{600}a", "नि", "\u{200b}",
        ])
        .prop_map(str::to_owned),
    ]
}

fn control() -> impl Strategy<Value = String> {
    select(vec![
        "\r\n",
        "\n",
        "\r",
        "\t",
        "\x08",
        "\x1bM",
        "\x1bD",
        "\x1bE",
        "\r\n\r\n\r\n",
        "\x0b",
        "\x0c",
        "\x07",
        "\x0e",
        "\x0f",
        "\x7f",
        "\u{84}",
        "\u{85}",
        "\u{8d}",
        "\x08\x08\x08",
        "\x1b7",
        "\x1b[s",
    ])
    .prop_map(str::to_owned)
}

fn extended() -> BoxedStrategy<String> {
    let links = [
        "\x1b]8;;https://a.test/?x;y\x07",
        "\x1b]8;id=1;https://b.test\x1b\\",
        "\x1b]8;;\x1b\\",
        "\x1b]8;id=2:x=y;c:\x07",
    ];
    let tabs = ["\x1b[3g\x1bH", "\x1bH", "\u{88}", "\x1b[g", "\x1b[3g"];
    let underlines = [
        "\x1b[3;4m",
        "\x1b[4:2;58:5:3m",
        "\x1b[21m",
        "\x1b[4:3m",
        "\x1b[4:0m",
        "\x1b[4:9m",
        "\x1b[1;38;5;3;4m",
        "\x1b[4:m",
        "\x1b[1;2;3;4;5;6;7;8;9m",
        "\x1b[23;24m",
    ];
    select([&links[..], &tabs, &underlines].concat()).prop_map(str::to_owned).boxed()
}

fn restored() -> BoxedStrategy<String> {
    select(vec![
        "\x1b8",
        "\x1b[u",
        "\x1b[3;5u",
        "\x1b[?1;1049;25l",
        "\x1b[?1048l",
        "\x1b[?1049l",
        "\x1b[?1049h",
    ])
    .prop_map(str::to_owned)
    .boxed()
}

fn style() -> impl Strategy<Value = String> {
    let fixed = select(vec![
        "\x1b[m",
        "\x1b[0m",
        "\x1b[1m",
        "\x1b[2m",
        "\x1b[5m",
        "\x1b[7m",
        "\x1b[8m",
        "\x1b[9m",
        "\x1b[22m",
        "\x1b[25;27m",
        "\x1b[28;29m",
        "\x1b[31;44m",
        "\x1b[38;5;174m",
        "\x1b[48;2;1;2;3m",
        "\x1b[38:2::9:8:7m",
        "\x1b[38:2:9:8:7m",
        "\x1b[38:5:200m",
        "\x1b[48;5;300m",
        "\x1b[95;103m",
        "\x1b[58;5;9m",
        "\x1b[58:2::1:2:3m",
        "\x1b[59m",
        "\x1b[53m",
        "\x1b[55m",
        "\x1b[39;49m",
        "\x1b[38m",
        "\x1b[38;2;1m",
        "\x1b[;1m",
        "\x1b[1\"q",
        "\x1b[0\"q",
        "\x1b[2\"q",
    ]);
    fixed.prop_map(str::to_owned)
}

fn cursor() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..12u8, 0..34u8).prop_map(|(row, col)| format!("\x1b[{row};{col}H")),
        (select(vec!['A', 'B', 'C', 'D', 'E', 'F', 'G', 'd', 'e', 'a', '`', 'I', 'Z']), 0..12u8)
            .prop_map(|(action, count)| format!("\x1b[{count}{action}")),
        select(vec!["\x1b[H", "\x1b[f", "\x1b[5f", "\x1b[A", "\x1b[99999C", "\x1b[99999B", "\x1b[1g"])
            .prop_map(str::to_owned),
    ]
}

fn edit() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (select(vec!["@", "P", "X", "L", "M", "S", "T", "b"]), 0..5u8)
            .prop_map(|(action, count)| format!("\x1b[{count}{action}")),
        3 => (select(vec!["J", "K"]), select(vec!["", "?"]), 0..4u8)
            .prop_map(|(action, marker, what)| format!("\x1b[{marker}{what}{action}")),
        1 => (select(vec![" @", " A", "'}", "'~"]), 0..4u8).prop_map(|(action, count)| format!("\x1b[{count}{action}")),
        2 => (0..12u8, 0..13u8).prop_map(|(top, bottom)| format!("\x1b[{top};{bottom}r")),
        1 => select(vec!["\x1b[r", "\x1b[?6l\x1b#8", "\x1b[99999X", "\x1b[20b"]).prop_map(str::to_owned),
    ]
}

fn mode() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (
            select(vec![1, 2, 6, 9, 12, 25, 45, 47, 66, 1000, 1002, 1003, 1004, 1006, 1016, 1047, 2004, 2026, 5]),
            select(vec!['h', 'l']),
        )
            .prop_map(|(mode, action)| format!("\x1b[?{mode}{action}")),
        1 => (select(vec![4, 20, 12]), select(vec!['h', 'l'])).prop_map(|(mode, action)| format!("\x1b[{mode}{action}")),
        1 => select(vec![
            "\x1b=", "\x1b>", "\x1b[2 q", "\x1b[5 q", "\x1b[0 q", "\x1b[!p", "\x1bc", "\x1b(0", "\x1b(B", "\x1b)0", "\x1b)A", "\x1b*0", "\x1b+4",
            "\x1bn", "\x1bo", "\x1b~", "\x1b%G", "\x1b(K", "\x1b[?1;2004;1047h", "\x1b[?1003;1006l", "\x1b-A", "\x1b(X",
        ])
        .prop_map(str::to_owned),
    ]
}

/// What few programs send, and what means nothing.
fn odd() -> impl Strategy<Value = String> {
    select(vec![
        "\x1b]2; spaced \x1b\\",
        "\x1b]002;zeros\x07",
        "\x1b]0\x07",
        "\x1b]2;a;b\x07",
        "\x1b]1;icon\x07",
        "\x1b]2;\ttab\x07",
        "\x1b[2;5s",
        "\x1b[?69h\x1b[3;5s",
        "\x1b[1;1;1;1;1T",
        "\x1b[1;1;2;2$z",
        "\x1b[1;1;2;2;120$x",
        "\x1b[?1r",
        "\x1b[?1s",
        "\x1b[?5W",
        "\x1b[?4m",
        "\x1b[>4;1m",
        "\x1b[>1m",
        "\x1b[1;2;3H",
        "\x1b[;;H",
        "\x1b[1:2H",
        "\x1b[99999999999999999999H",
        "\x1b[-1H",
        "\x1b[2;J",
        "\x1b[1;2K",
        "\x1b[?3h",
        "\x1b[?1048h",
        "\x1b[?1005h",
        "\x1b[?1015h",
        "\x1b[?1007h",
        "\x1b[?80h",
        "\x1b[?9l\x1b[?1002h\x1b[?1000l",
        "\x1b[?40h",
        "\x1b[4;20h",
        "\x1b[34h",
        "\x1b#3",
        "\x1b#6",
        "\x1b F",
        "\x1bN",
        "\x1bO",
        "\x1b6",
        "\x1b9",
        "\x1b\\",
        "\x1bV",
        "\x1bW",
        "\x1bl",
        "\x1b|",
        "\x1b}",
        "\x1b.A",
        "\x1b(4",
        "\x1b(%5",
        "\x1b[0;1;38;2;255;0;0;48;5;4m",
        "\x1b[38;5m",
        "\x1b[99m",
        "\x1b[6m",
        "\x1b[26m",
        "\x1b[53;73m",
        "\x1b[7 q",
        "\x1b[ q",
        "\x1b[1\"q\x1b[?J",
        "\x1b[0 @",
        "\x1b[3 A",
        "\x1b[2 S",
        "\x1b]133;A\x07",
        "\x1b]7;file:///tmp\x07",
        "\x1b]9;4;1;50\x07",
        "\x1b]104;1\x07",
        "\x1b]4;1;#ff0000\x07",
        "\x1b]110\x07",
        "\x1bP+q544e\x1b\\",
        "\x1bP1;2|17/ab\x1b\\",
        "\x1b_Ga=T,f=24;AAAA\x1b\\",
        "\x1bX\x1b[1mtext\x1b\\",
        "\x1b]0;cut\x18",
        "\x1b]0;cut\x1b[1m",
    ])
    .prop_map(str::to_owned)
}

fn other() -> impl Strategy<Value = String> {
    select(vec![
        "\x1b]0;✳ a title\x07",
        "\x1b]2;b\x1b\\",
        "\x1b[22t",
        "\x1b[23t",
        "\x1b[22;1t",
        "\x1bPq#0~~\x1b\\",
        "\x1b_Gx\x1b\\",
        "\x1b_é after",
        "\x1b^private\x1b\\",
        "\x1bXsos\x18",
        "\x1b]1337;File=:AAAA\x07",
        "\x1b[3\nm",
        "\x1b[1\x18;",
        "\x1b[31é",
        "\x1b[1?m",
        "\x1b[<5z",
        "\x1b]bad\x07",
        "\x1b\x1b[1m",
        "\x1b[5 \x07q",
        "\x1b",
        "\x1b[",
        "\x1b]52;c;aGk=\x07",
        "\u{9b}1m",
        "\u{9d}2;c1\u{9c}",
        "\x1bP1$z é\x1b\\",
        "\x1b(\u{7f}0",
        "\x1b[:3m",
    ])
    .prop_map(str::to_owned)
}
