//! Files that are refused, each with its message.

use std::path::{Path, PathBuf};

use plimsoll::scenario;

fn refused() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused");
    let entries = std::fs::read_dir(folder).expect("the refused files are there");
    let mut files: Vec<PathBuf> =
        entries.map(|it| it.expect("a folder can be listed").path()).filter(|it| it.is_file()).collect();
    files.sort();
    files
}

/// The message for a file of `tests/refused`, read under a name without the machine's folders.
fn message(file: &Path) -> String {
    let folder = file.parent().expect("a file has a folder");
    let name = Path::new(file.file_name().expect("a file has a name"));
    let read = scenario::read(name, &mut |path| {
        let text = std::fs::read(folder.join(path));
        // The system's own words for a missing file differ between machines.
        text.map_err(|_| std::io::Error::other("there is no such file"))
    });
    match read {
        Ok(story) => panic!("{} is accepted, with {} variants", file.display(), story.variants.len()),
        Err(problems) => problems.render(false),
    }
}

#[test]
fn each_refused_file_has_its_message() {
    let files = refused();
    assert!(files.len() >= 40, "{} files", files.len());
    for file in files {
        let stem = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let text = message(&file);
        assert!(text.lines().all(|line| line.len() < 1000), "{stem}: a line of the message is endless");
        insta::with_settings!({ snapshot_path => "snapshots/refused", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(stem, text);
        });
    }
}

#[test]
fn all_problems_of_a_file_come_at_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused");
    let text = message(&folder.join("two-mistakes-at-once.yaml"));
    assert_eq!(text.matches("error:").count(), 3, "{text}");
}

#[test]
fn a_hundred_megabytes_are_refused_by_their_size() {
    let large = vec![b'x'; 100_000_000];
    let problems = scenario::read(Path::new("large.yaml"), &mut |_| Ok(large.clone())).expect_err("it is too large");
    let text = problems.render(false);
    assert!(text.contains("100 MB") && text.contains("16 MiB"), "{text}");
}
