//! What programs ask, and what they are answered.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use parallax_api::TerminalSize;
use parallax_screen::{Fed, ProgramStatus, Screen, TerminalReport};

fn screen() -> Screen {
    Screen::new(TerminalSize { cols: 80, rows: 24 }, 100)
}

fn feed(screen: &mut Screen, bytes: &str) -> (String, String) {
    let Fed { output, replies, .. } = screen.feed(bytes.as_bytes());
    (String::from_utf8(output).unwrap(), String::from_utf8(replies).unwrap())
}

#[test]
fn queries_are_answered_and_taken_out() {
    for (query, reply) in [
        ("\x1b[c", "\x1b[?62;22c"),
        ("\x1b[0c", "\x1b[?62;22c"),
        ("\x1bZ", "\x1b[?62;22c"),
        ("\x1b[>c", "\x1b[>0;10;0c"),
        ("\x1b[=c", "\x1bP!|00000000\x1b\\"),
        ("\x1b[5n", "\x1b[0n"),
        ("\x1b[6n", "\x1b[3;6R"),
        ("\x1b[?6n", "\x1b[?3;6R"),
        ("\x1b[?996n", "\x1b[?997;1n"),
        ("\x1b[?15n", ""),
        ("\x1b[?2026$p", "\x1b[?2026;2$y"),
        ("\x1b[?2004$p", "\x1b[?2004;1$y"),
        ("\x1b[?25$p", "\x1b[?25;1$y"),
        ("\x1b[?31337$p", "\x1b[?31337;0$y"),
        ("\x1b[4$p", "\x1b[4;2$y"),
        ("\x1b[?u", "\x1b[?7u"),
        ("\x1b[14t", "\x1b[4;384;640t"),
        ("\x1b[16t", "\x1b[6;16;8t"),
        ("\x1b[18t", "\x1b[8;24;80t"),
        ("\x1b[21t", ""),
        ("\x1b]10;?\x1b\\", "\x1b]10;rgb:ffff/ffff/ffff\x1b\\"),
        ("\x1b]11;?\x07", "\x1b]11;rgb:0000/0000/0000\x07"),
        ("\x1b]10;?;?\x07", "\x1b]10;rgb:ffff/ffff/ffff\x07\x1b]11;rgb:0000/0000/0000\x07"),
        ("\x1b]12;?\x07", "\x1b]12;rgb:ffff/ffff/ffff\x07"),
        ("\x1b]4;1;?;231;?\x07", "\x1b]4;1;rgb:cccc/0000/0000\x07\x1b]4;231;rgb:ffff/ffff/ffff\x07"),
        ("\x1b]52;c;?\x07", ""),
        ("\x1b]7501;?\x1b\\", "\x1b]7501;?\x1b\\"),
        ("\x1b]7501;?\x07", "\x1b]7501;?\x07"),
        ("\x1bP+q544e\x1b\\", "\x1bP0+r544e\x1b\\"),
        ("\x1bP$qr\x1b\\", "\x1bP1$r2;20r\x1b\\"),
        ("\x1bP$qm\x1b\\", "\x1bP1$r0;1;38;5;9m\x1b\\"),
        ("\x1bP$q\"p\x1b\\", "\x1bP0$r\x1b\\"),
        ("\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", ""),
    ] {
        let mut screen = screen();
        feed(&mut screen, "\x1b[2;20r\x1b[?2004h\x1b[>7u\x1b[1;38;5;9m\x1b[3;1Hhello");
        let (output, replies) = feed(&mut screen, &format!("a\x08{query}b"));
        assert_eq!((output.as_str(), replies.as_str()), ("a\x08b", reply), "{query:?}");
    }
    let version = feed(&mut screen(), "\x1b[>q").1;
    assert!(version.starts_with("\x1bP>|parallax ") && version.ends_with("\x1b\\"), "{version:?}");
}

#[test]
fn what_is_not_a_query_stays() {
    for bytes in [
        "\x1b[31m",
        "\x1b[>4;2m",
        "\x1b[2 q",
        "\x1b[?25h",
        "\x1b[22;0t",
        "\x1b[>1u",
        "\x1b]52;c;aGk=\x07",
        "\x1b]0;t?\x07",
        "\x1b]11;#000000\x07",
        "\x1b]8;;https://a.test/?\x07",
        "\x1b[3S",
        "\x1b[s",
        "\x1b[u",
        "\x1b[>1n",
        "\x1b_Ga=T;AAAA\x1b\\",
        "\x1bPq#0;2;0;0;0\x1b\\",
        "\x1b]7501;state=idle\x1b\\",
        "\x1b[!p",
        "\x1b7\x1b8",
    ] {
        assert_eq!(feed(&mut screen(), bytes), (bytes.to_owned(), String::new()), "{bytes:?}");
    }
}

#[test]
fn answers_come_in_order_and_from_where_the_cursor_is() {
    let (output, replies) = feed(&mut screen(), "\x1b]7501;?\x1b\\\x1b[cab\x1b[6n\r\n\x1b[6n");
    assert_eq!(output, "ab\r\n");
    assert_eq!(replies, "\x1b]7501;?\x1b\\\x1b[?62;22c\x1b[1;3R\x1b[2;1R");
}

#[test]
fn the_cursor_is_reported_from_the_region_in_origin_mode() {
    assert_eq!(feed(&mut screen(), "\x1b[5;10r\x1b[?6h\x1b[2;3H\x1b[6n").1, "\x1b[2;3R");
}

#[test]
fn colours_that_were_set_are_reported() {
    assert_eq!(feed(&mut screen(), "\x1b]11;#102030\x07\x1b]11;?\x07").1, "\x1b]11;rgb:1010/2020/3030\x07");
}

#[test]
fn the_keyboard_is_remembered_for_each_screen() {
    let mut screen = screen();
    assert_eq!(
        feed(&mut screen, "\x1b[>5u\x1b[?1049h\x1b[?u\x1b[>1u\x1b[?u\x1b[?1049l\x1b[?u").1,
        "\x1b[?0u\x1b[?1u\x1b[?5u"
    );
    assert_eq!(screen.modes().keyboard, 5);
    // More than anybody nests.
    feed(&mut screen, &"\x1b[>1u".repeat(5000));
    assert_eq!(feed(&mut screen, "\x1b[<5000u\x1b[?u").1, "\x1b[?0u");
}

#[test]
fn programs_report_themselves() {
    let mut screen = screen();
    let fed = screen.feed(
        b"\x1b]0;  \xe2\x9c\xb3 Claude Code \x07\x1b]7501;state=blocked:app=claude-code:kind=permission:msg=YXBwcm92ZQ\x1b\\\
          \x07\x07\x1b]133;A;redraw=0\x07\x1b]7501;state=working:id=a/b:title=dGFzaw==:progress=40\x07\x1b]2;\x07",
    );
    let blocked = ProgramStatus {
        state: "blocked".into(),
        kind: Some("permission".into()),
        app: Some("claude-code".into()),
        msg: Some("approve".into()),
        ..ProgramStatus::default()
    };
    let sub_task = ProgramStatus {
        state: "working".into(),
        id: Some("a/b".into()),
        title: Some("task".into()),
        progress: Some(40),
        ..ProgramStatus::default()
    };
    assert_eq!(
        fed.reports,
        [
            TerminalReport::Title("✳ Claude Code".into()),
            TerminalReport::Status(blocked),
            TerminalReport::Bell,
            TerminalReport::Prompt('A'),
            TerminalReport::Status(sub_task),
            TerminalReport::Title(String::new()),
        ]
    );
}

#[test]
fn a_report_stands_between_what_was_printed_before_and_after_it() {
    let fed = screen().feed(b"a\x1b[cbc\x1b]7501;state=working\x07d\x1b]7501;state=done\x07e");
    assert_eq!(fed.output, b"abc\x1b]7501;state=working\x07d\x1b]7501;state=done\x07e");
    let before: Vec<&[u8]> = fed.report_starts.iter().map(|start| &fed.output[..*start]).collect();
    assert_eq!(before, [&b"abc"[..], b"abc\x1b]7501;state=working\x07d"]);
}

#[test]
fn broken_status_reports_are_none() {
    for body in ["", "state", "state=", "kind=auth", ":::"] {
        assert_eq!(screen().feed(format!("\x1b]7501;{body}\x07").as_bytes()).reports, [], "{body:?}");
    }
    let fed = screen().feed(b"\x1b]7501;state=idle:progress=101:msg=%%%:new=key:flag\x07");
    let idle = ProgramStatus { state: "idle".into(), ..ProgramStatus::default() };
    assert_eq!(fed.reports, [TerminalReport::Status(idle)]);
}

/// As in xterm.js, unless it is told otherwise.
#[test]
fn titles_are_not_put_aside() {
    let mut screen = screen();
    screen.feed(b"\x1b]2;shell\x07\x1b[22;0t\x1b]2;vim\x07");
    assert_eq!(screen.feed(b"\x1b[23;0t").reports, []);
    assert_eq!(screen.title(), "vim");
}

#[test]
fn a_frame_is_open_until_it_ends() {
    let mut screen = screen();
    screen.feed(b"\x1b[?2026habc");
    assert!(screen.modes().in_frame);
    assert_eq!(screen.rows()[0].text, "abc", "the screen does not wait");
    assert_eq!(feed(&mut screen, "\x1b[?2026$p").1, "\x1b[?2026;1$y");
    screen.feed(b"\x1b[?2026l");
    assert!(!screen.modes().in_frame);
    screen.feed(b"\x1b[?25;2026h");
    assert!(screen.modes().in_frame);
    screen.feed(&b"x".repeat(2 << 20));
    assert!(!screen.modes().in_frame, "a frame of two megabytes is none");
}

#[test]
fn a_long_string_is_passed_on_without_being_kept() {
    let mut screen = screen();
    let image = format!("\x1b]1337;File={}\x07", "A".repeat(200_000));
    let mut seen = Vec::new();
    for chunk in image.as_bytes().chunks(1000) {
        seen.extend(screen.feed(chunk).output);
    }
    assert_eq!(String::from_utf8(seen).unwrap(), image);
    assert_eq!(feed(&mut screen, "ok\x1b[6n"), ("ok".to_owned(), "\x1b[1;3R".to_owned()));
}

#[test]
fn what_is_kept_back_comes_out_at_the_end() {
    let mut screen = screen();
    assert_eq!(screen.feed("é漢".as_bytes().split_last().unwrap().1).output, "é".as_bytes());
    assert_eq!(screen.flush().output, &"漢".as_bytes()[..2]);
    assert_eq!(screen.feed(b"x\x1b[3").output, b"x");
    assert_eq!(screen.flush().output, b"\x1b[3");
    assert_eq!(screen.feed(b"1m").output, b"1m", "what comes later does not belong to it");
}
