use std::fs::{create_dir, write};
use std::os::unix::fs::{PermissionsExt, symlink};

use rstest::rstest;

use super::*;

const US: u32 = 1000;
const STRANGER: u32 = 1001;

fn on_the_way(kind: Kind, user: u32, mode: u32) -> Step {
    Step {
        path: "/there".into(),
        kind,
        user,
        mode,
    }
}

/// In words, short: which doubt there is.
fn judged(steps: &[(Kind, u32, u32)]) -> &'static str {
    let steps: Vec<Step> = steps
        .iter()
        .map(|(kind, user, mode)| on_the_way(*kind, *user, *mode))
        .collect();
    match doubts(&steps, &[ROOT, US]).first() {
        None => "none",
        Some(Doubt::OpenFile { .. }) => "open file",
        Some(Doubt::OpenFolder { .. }) => "open folder",
        Some(Doubt::FileOf { .. }) => "file of",
        Some(Doubt::FolderOf { .. }) => "folder of",
        Some(Doubt::LinkOf { .. }) => "link of",
    }
}

#[rstest]
#[case::all_ours(&[(Kind::Folder, ROOT, 0o755), (Kind::Folder, US, 0o700), (Kind::File, US, 0o600)], "none")]
#[case::readable_by_all(&[(Kind::Folder, ROOT, 0o755), (Kind::File, US, 0o644)], "none")]
#[case::for_a_group(&[(Kind::Folder, US, 0o775), (Kind::File, US, 0o660)], "none")]
#[case::a_file_open_to_all(&[(Kind::Folder, ROOT, 0o755), (Kind::File, US, 0o646)], "open file")]
#[case::a_folder_open_to_all(&[(Kind::Folder, US, 0o777), (Kind::File, US, 0o600)], "open folder")]
#[case::our_file_in_tmp(&[(Kind::Folder, ROOT, 0o1777), (Kind::File, US, 0o600)], "none")]
#[case::our_folder_in_tmp(&[(Kind::Folder, ROOT, 0o1777), (Kind::Folder, US, 0o700), (Kind::File, US, 0o600)], "none")]
#[case::a_strangers_file_in_tmp(&[(Kind::Folder, ROOT, 0o1777), (Kind::File, STRANGER, 0o644)], "file of")]
#[case::a_strangers_folder_in_tmp(&[(Kind::Folder, ROOT, 0o1777), (Kind::Folder, STRANGER, 0o755), (Kind::File, US, 0o600)], "folder of")]
#[case::a_strangers_link_in_tmp(&[(Kind::Folder, ROOT, 0o1777), (Kind::Link, STRANGER, 0o777), (Kind::Folder, ROOT, 0o755), (Kind::File, US, 0o600)], "link of")]
#[case::our_link_in_tmp(&[(Kind::Folder, ROOT, 0o1777), (Kind::Link, US, 0o777), (Kind::Folder, US, 0o755), (Kind::File, US, 0o600)], "none")]
#[case::a_link_in_a_folder_of_ours(&[(Kind::Folder, US, 0o755), (Kind::Link, STRANGER, 0o777), (Kind::File, US, 0o600)], "none")]
#[case::nothing_there_yet(&[(Kind::Folder, ROOT, 0o755)], "none")]
fn who_may_change_it(#[case] steps: &[(Kind, u32, u32)], #[case] expected: &str) {
    assert_eq!(judged(steps), expected);
}

#[test]
fn the_way_is_the_kernels() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().canonicalize().unwrap();
    create_dir(top.join("real")).unwrap();
    create_dir(top.join("real/deep")).unwrap();
    write(top.join("real/file"), "").unwrap();
    symlink("real/deep", top.join("link")).unwrap();
    symlink(top.join("link"), top.join("absolute")).unwrap();
    symlink("loop", top.join("loop")).unwrap();
    let names = |path: &str| -> Vec<String> {
        let steps = walk(&top.join(path)).unwrap();
        let below = steps
            .iter()
            .filter_map(|step| step.path.strip_prefix(&top).ok());
        below.map(|path| path.display().to_string()).collect()
    };
    assert_eq!(names("real/file"), ["", "real", "real/file"]);
    // `..` leads up from where the link leads to, not from where the link is.
    assert_eq!(
        names("link/../file"),
        ["", "link", "", "real", "real/deep", "real", "real/file"]
    );
    assert_eq!(
        names("absolute/none"),
        ["", "absolute", "", "link", "", "real", "real/deep"]
    );
    assert_eq!(names("none/file"), [""]);
    let looped = walk(&top.join("loop")).unwrap_err();
    assert_eq!(
        looped.raw_os_error(),
        Some(rustix::io::Errno::LOOP.raw_os_error())
    );
}

#[test]
fn an_open_folder_far_above_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let upper = folder.path().join("upper");
    create_dir(&upper).unwrap();
    create_dir(upper.join("lower")).unwrap();
    let file = upper.join("lower/file");
    write(&file, "").unwrap();
    assert_eq!(doubt_of(&file), None);
    std::fs::set_permissions(&upper, PermissionsExt::from_mode(0o777)).unwrap();
    let found = doubt_of(&file).unwrap();
    let shown = upper.canonicalize().unwrap();
    assert_eq!(
        found.to_string(),
        format!(
            "every user of this machine can put another in its place, by way of {} (mode 0777)",
            shown.display()
        )
    );
    assert_eq!(found.remedy(), format!("chmod o-w {}", shown.display()));
    std::fs::set_permissions(&upper, PermissionsExt::from_mode(0o1777)).unwrap();
    assert_eq!(doubt_of(&file), None);
}
