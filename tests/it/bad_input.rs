//! Files that are refused, and in which words. Every file in `tests/refused` is a case by being there.

use std::io;
use std::path::{Path, PathBuf};

use plimsoll::scenario::{Problems, Story, read};

/// Reads a file as it lies; paths in messages are relative to the package, so that they are the same everywhere.
fn read_file(path: &Path) -> Result<Story, Problems> {
    read(path, &mut plimsoll::cli::open)
}

/// Reads a text that is made up here.
fn read_bytes(bytes: &[u8]) -> Result<Story, Problems> {
    read(Path::new("made-up.yaml"), &mut |path| match path.to_str() {
        Some("made-up.yaml") => Ok(bytes.to_vec()),
        _ => Err(io::ErrorKind::NotFound.into()),
    })
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir("tests/refused")
        .expect("the folder is there")
        .map(|it| it.expect("readable").path())
        .filter(|it| it.is_file())
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_refused_file_is_refused_in_its_words() {
    let cases = cases();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    for path in cases {
        let name = path.file_stem().and_then(|it| it.to_str()).expect("UTF-8").to_owned();
        match read_file(&path) {
            Ok(_) => panic!("{} is accepted", path.display()),
            Err(problems) => {
                assert!(!problems.is_empty());
                insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                    insta::assert_snapshot!(name, problems.render(false));
                });
            }
        }
    }
}

#[test]
fn a_file_of_100_mb_is_refused_by_its_size() {
    let mut bytes = b"duration: 1h\n".to_vec();
    bytes.resize(100 << 20, b'#');
    let problems = read_bytes(&bytes).expect_err("too large");
    let messages: Vec<&str> = problems.messages().collect();
    assert_eq!(messages, ["`made-up.yaml` has 100 MiB; a scenario is at most 16 MiB; traces belong in a CSV"]);
}

#[test]
fn aliases_cannot_grow_without_end() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let below = level - 1;
        let copies = vec![format!("*a{below}"); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{copies}]\n"));
    }
    let problems = read_bytes(text.as_bytes()).expect_err("a billion copies");
    assert!(problems.render(false).contains("make more than 100000 copies"), "{}", problems.render(false));
}

#[test]
fn depth_has_an_end() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), format!("a:\n{}", nested_block(300))] {
        assert!(read_bytes(text.as_bytes()).is_err());
    }
}

fn nested_block(levels: usize) -> String {
    (1..levels).map(|level| format!("{}a:\n", " ".repeat(level))).collect()
}

#[test]
fn many_mistakes_are_told_in_short() {
    let mut text = String::from("duration: 1h\nservices:\n");
    for number in 0..20_000 {
        text.push_str(&format!("  s{number}: {{desiredCont: 1}}\n"));
    }
    let problems = read_bytes(text.as_bytes()).expect_err("two mistakes a service, and too many services");
    assert_eq!(problems.len(), 40_001);
    let rendered = problems.render(false);
    assert!(rendered.ends_with("and 39951 more\n"));
    assert!(rendered.contains("did you mean `desiredCount`?"));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let problems =
        read_bytes(b"duration: 1h\n\"\\e[2Jx\": 1\nservices: {\"\\e[31mred\": 1}\n").expect_err("no sections");
    assert!(!problems.render(false).contains('\u{1b}'), "{:?}", problems.render(false));
}

#[test]
fn colour_is_only_where_it_is_asked_for() {
    let problems = read_bytes(b"duration: 1\n").expect_err("no unit");
    assert!(!problems.render(false).contains('\u{1b}'));
    assert!(problems.render(true).contains('\u{1b}'));
}

proptest::proptest! {
    /// Whatever the bytes, there is an answer, and what is refused says why.
    #[test]
    fn no_bytes_are_without_an_answer(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        if let Err(problems) = read_bytes(&bytes) {
            proptest::prop_assert!(!problems.render(false).is_empty());
        }
    }

    /// A sound file with one stretch cut out or doubled is read or refused, never more.
    #[test]
    fn no_slip_of_the_hand_is_without_an_answer(from in 0usize..900, length in 0usize..60, doubled: bool) {
        let sound = include_str!("../refused/parts/sound.yaml");
        let from = from.min(sound.len());
        let until = (from + length).min(sound.len());
        if let (Some(head), Some(cut), Some(tail)) = (sound.get(..from), sound.get(from..until), sound.get(until..)) {
            let text = if doubled { format!("{head}{cut}{cut}{tail}") } else { format!("{head}{tail}") };
            if let Err(problems) = read_bytes(text.as_bytes()) {
                proptest::prop_assert!(!problems.render(false).is_empty());
            }
        }
    }
}

#[test]
fn the_sound_file_is_sound() {
    let story = read_file(Path::new("tests/refused/parts/sound.yaml"));
    assert!(story.is_ok(), "{}", story.err().map(|it| it.render(false)).unwrap_or_default());
}
