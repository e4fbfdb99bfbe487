//! What takes two writers of one mirror in one process, or a hand on its insides.

use super::*;

#[test]
fn who_writes_beside_the_lock_s_holder_leaves_a_mirror_alone_that_was_upgraded_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let mut holder = Mirror::open_or_create(&path, "a source", "holder").unwrap();
    let mut beside = Mirror::open_beside(&path, "beside").unwrap();
    assert_eq!(beside.discard_held_sweep().unwrap(), None);
    let newer = SCHEMA_VERSION + 1;
    holder
        .write(|tx| tx.pragma_update(None, "user_version", newer))
        .unwrap();
    let error = beside.discard_held_sweep().unwrap_err();
    assert!(matches!(error, MirrorError::TooNew { .. }), "{error}");
}

#[test]
fn an_older_mirror_is_not_migrated_beside_the_lock_s_holder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    // As a process leaves it for a moment that has just begun to make it.
    let _holder = lock::Lock::acquire(&path, "holder").unwrap();
    drop(files::open_or_create(&path).unwrap());
    let error = Mirror::open_beside(&path, "beside").unwrap_err();
    assert!(error.to_string().contains("`holder`"), "{error}");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}
