//! The bytes of a terminal session as text: what a person would have read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by panicking")]

use proptest::prelude::*;
use swarm::agent::screen::{Screen, last_lines, render};

/// On a screen of five rows and twenty columns, remembering a hundred lines.
fn text(bytes: &[u8]) -> Vec<String> {
    render(bytes, 5, 20, 100)
}

#[test]
fn plain_text_is_its_lines() {
    assert_eq!(text(b"one\r\n\r\ntwo  \r\n\r\n\r\n"), ["one", "", "two"]);
    assert_eq!(text(b""), [""; 0]);
    assert_eq!(text(b"\r\n\r\n"), [""; 0]);
    assert_eq!(text(b"\x1b[31mred\x1b[0m \x1b]0;title\x07and plain"), ["red and plain"]);
    assert_eq!(text(b"\xff\xfeno \xc3text"), ["no text"], "bytes that are no text");
}

#[test]
fn what_scrolled_off_comes_first_and_is_bounded() {
    let session: String = (1..=1000).map(|number| format!("line {number}\r\n")).collect();
    let all = render(session.as_bytes(), 5, 20, 5000);
    assert_eq!(all.len(), 1000);
    assert_eq!((all[0].as_str(), all[999].as_str()), ("line 1", "line 1000"));
    // The cursor stands on the last row, which is blank.
    let bounded = render(session.as_bytes(), 5, 20, 10);
    assert_eq!(bounded, all[1000 - 14..]);
    assert_eq!(render(session.as_bytes(), 5, 20, 0), all[1000 - 4..]);
}

#[test]
fn a_wrapped_line_is_one_line_wherever_it_stands() {
    let long = "0123456789".repeat(7);
    assert_eq!(text(format!("{long}\r\nend").as_bytes()), [&long, "end"]);
    assert_eq!(text(format!("{long}\r\n{}", "x\r\n".repeat(9)).as_bytes())[0], long);
    // On the border between what scrolled off and the screen.
    assert_eq!(text(format!("{long}\r\nb\r\nc").as_bytes()), [&long, "b", "c"]);
    let endless = render("x".repeat(1_000_000).as_bytes(), 5, 20, 3);
    assert!(endless.iter().map(String::len).sum::<usize>() < 400_000, "memory is bounded");
}

#[test]
fn what_was_written_over_is_gone() {
    assert_eq!(text(b"10%\r50%\r100%\r\ndone"), ["100%", "done"]);
    assert_eq!(text(b"working\x1b[1G\x1b[2Kdone"), ["done"]);
    assert_eq!(text(b"one\r\ntwo\x1b[1A\r\x1b[Kthree"), ["three", "two"]);
}

#[test]
fn the_last_picture_of_the_alternate_screen_stays() {
    let left = b"before\r\n\x1b[?1049h\x1b[2J\x1b[Hfirst\x1b[2J\x1b[Hsecond\r\n\r\nanswer\x1b[?1049lafter";
    assert_eq!(text(left), ["before", "second", "", "answer", "after"]);
    let died = b"before\r\n\x1b[?1049h\x1b[2J\x1b[Hsecond\r\n\r\nanswer";
    assert_eq!(text(died), ["before", "second", "", "answer"]);
    let died_in_a_sequence = b"\x1b[?1049hanswer\x1b]0;ti";
    assert_eq!(text(died_in_a_sequence), ["answer"]);
    let among_others = b"\x1b[?1049;2004hanswer\x1b[?25;1049lafter";
    assert_eq!(text(among_others), ["answer", "after"]);
    assert_eq!(text(b"prompt\x1b[?1049hanswer\x1b[?1049l"), ["prompt", "answer"]);
    assert_eq!(text(b"main\x1b[?1049h\x1b[?1049lmore"), ["mainmore"], "a blank picture is none");
}

#[test]
fn a_full_screen_agent_leaves_its_last_words() {
    let frame = |text: &str| format!("\x1b[?2026h\x1b[H\x1b[2J\r\n❯ go\r\n● {text}\r\n────\x1b[?2026l");
    let session =
        format!("\x1b[?1049h{}{}\x1b[?1049l\r\nResume this session\r\n", frame("Wait"), frame("All done ✔\u{fe0f}"));
    assert_eq!(text(session.as_bytes()), ["", "❯ go", "● All done ✔\u{fe0f}", "────", "", "Resume this session"]);
}

/// The bytes of a real session (start, a question, `/exit`), as tmux piped them.
#[test]
fn a_real_session_is_what_tmux_showed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/panes");
    let session = std::fs::read(folder.join("session.bytes")).unwrap();
    let shown = std::fs::read_to_string(folder.join("session.txt")).unwrap();
    assert_eq!(render(&session, 36, 110, 1000), shown.lines().collect::<Vec<_>>());
}

#[test]
fn a_character_in_two_pieces_loses_nothing_behind_it() {
    let mut screen = Screen::new(5, 20, 0);
    for piece in [b"a\xc2".as_slice(), b"\x80 \xe4", b"\xb8\xad b \xe2\x9d\xa4\xef\xb8", b"\x8f c"] {
        screen.feed(piece);
    }
    assert_eq!(screen.into_lines(), ["a 中 b ❤\u{fe0f} c"]);
}

#[test]
fn the_smallest_terminals_work() {
    for (rows, cols) in [(0, 0), (1, 1), (1, 2), (2, 1)] {
        let lines = render("中文 ❤\u{fe0f}x\r\nend".as_bytes(), rows, cols, 10);
        assert_eq!(lines.last().unwrap(), "end", "{rows}×{cols}: {lines:?}");
    }
}

#[test]
fn the_end_of_a_log_is_its_last_lines() {
    let log = b"one\ntwo\n\x1b[32mthree\x1b[0m\n\n  \n";
    assert_eq!(last_lines(log, 2), ["two", "three"]);
    assert_eq!(last_lines(log, 30), ["one", "two", "three"]);
    assert_eq!(last_lines(log, 0), [""; 0]);
    assert_eq!(last_lines(b"", 3), [""; 0]);
    assert_eq!(last_lines(b"no newline", 3), ["no newline"]);
    assert_eq!(last_lines(b"a\n\nb\n", 2), ["", "b"], "a blank line in the middle is a line");
    assert_eq!(last_lines(b"10%\r50%\r100%\r\ndone\r\n", 2), ["100%", "done"]);
    assert_eq!(last_lines(b"bad \xff bytes\n", 1), ["bad \u{fffd} bytes"]);
    assert_eq!(last_lines(b"\x1b]0;title\x07\x1b[1;31mE\x1b[mrr\x08\x00or\tx\x1b(B\n", 1), ["Error\tx"]);
    assert_eq!(last_lines(b"\x1b]8;;http://localhost\x1b\\link\x1b]8;;\x1b\\\n", 1), ["link"]);
}

/// Pieces of sessions: text of all widths, sequences with any numbers, screens that come and go, noise.
fn session() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        4 => "[a-z ]{1,30}".prop_map(String::into_bytes),
        2 => prop::sample::select(vec!["中", "🐍", "e\u{301}", "❤\u{fe0f}", "\u{fe0f}", "\u{200d}", "1\u{fe0f}\u{20e3}", "🇩🇪", "\u{ad}"])
            .prop_map(|text| text.as_bytes().to_vec()),
        6 => ("\\??", prop::collection::vec(prop::sample::select(vec![0u16, 1, 2, 5, 7, 19, 25, 47, 200, 1049, 65535]), 0..4), 0x40u8..0x7f)
            .prop_map(|(mark, numbers, end)| {
                // A repetition of 65,535 characters is right, and slow in a debug build.
                let end = if end == b'b' { b'a' } else { end };
                let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
                [b"\x1b[", mark.as_bytes(), numbers.join(";").as_bytes(), &[end]].concat()
            }),
        3 => prop::sample::select(vec!["\x1b[?1049h", "\x1b[?1049l", "\x1b[?47h", "\x1b[?47l"])
            .prop_map(|text| text.as_bytes().to_vec()),
        3 => Just(b"\r\n".to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..8),
        1 => prop::collection::vec(0u8..0x20, 1..4),
    ];
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_session_is_rendered_within_its_bounds(session in session(), rows in 0u16..9, cols in 0u16..40) {
        let lines = render(&session, rows, cols, 20);
        prop_assert!(lines.len() <= 20 + usize::from(rows.max(2)));
        prop_assert!(lines.iter().all(|line| line.trim_end() == line));
        prop_assert!(lines.last().is_none_or(|line| !line.is_empty()));
        prop_assert!(lines.iter().all(|line| !line.contains(['\x1b', '\r', '\n'])), "{lines:?}");
    }

    #[test]
    fn where_the_bytes_are_cut_makes_no_difference(session in session(), cuts in prop::collection::vec(1usize..20, 1..20)) {
        let mut screen = Screen::new(5, 20, 20);
        let mut rest = session.as_slice();
        for cut in cuts.iter().cycle() {
            let (piece, behind) = rest.split_at(rest.len().min(*cut));
            screen.feed(piece);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(screen.into_lines(), render(&session, 5, 20, 20));
    }

    #[test]
    fn any_log_has_last_lines(log in prop::collection::vec(any::<u8>(), 0..400), count in 0usize..9) {
        let lines = last_lines(&log, count);
        prop_assert!(lines.len() <= count);
        prop_assert!(lines.iter().all(|line| !line.contains(['\x1b', '\r', '\n', '\0'])));
    }
}
