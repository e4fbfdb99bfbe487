//! Of a configuration file and an environment: a sound configuration, or one line that says where to look and shows no key.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use customer_mirror::config::{Config, Environment, Survey};
use tempfile::TempDir;

/// A file for the texts; in memory where that is possible.
fn file() -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap()
    });
    // Each thread of a test run has its own.
    folder
        .path()
        .join(format!("{:?}.toml", std::thread::current().id()))
}

/// The text of the file, and behind a NUL each a variable and its value. True if it is a configuration.
pub(super) fn of_settings(input: &[u8]) -> bool {
    let mut parts = input.split(|byte| *byte == 0);
    let path = file();
    fs::write(&path, parts.next().unwrap_or_default()).unwrap();
    let variables = parts.filter_map(|part| std::str::from_utf8(part).ok()?.split_once('='));
    // Other files must not be read, nor keys.
    let variables = variables
        .filter(|(name, _)| !name.starts_with("CREDENTIALS") && *name != "CUSTOMER_MIRROR_CONFIG");
    let environment: Environment = variables
        .filter(|(name, _)| name.starts_with("CUSTOMER_MIRROR"))
        .collect();
    let loaded = Config::load(Some(&path), &environment);
    let survey = Survey::take(Some(&path), &environment).expect("the defaults are right");
    match &loaded {
        Ok(config) => {
            assert!(survey.errors.is_empty(), "{:?}", survey.errors);
            of_sound(config);
        }
        Err(error) => {
            let text = error.to_string();
            assert!(
                survey.errors.contains(error),
                "check knows of it, too: {text}"
            );
            assert!(
                !text.chars().any(char::is_control),
                "one line, and nothing for a terminal to obey: {text:?}"
            );
            let names_something = [
                ".toml",
                "CUSTOMER_MIRROR",
                "api.",
                "http.",
                "mirror.",
                "schedule.",
            ];
            assert!(
                names_something.iter().any(|name| text.contains(name)),
                "it names a place or a key: {text}"
            );
            // Other values are shown: who wrote them must find them.
            let is_address = text.contains("api.base_url");
            assert!(
                !is_address || !text.contains("SECRET"),
                "no secret is shown: {text}"
            );
        }
    }
    of_sound(&survey.config);
    loaded.is_ok()
}

/// What the rest of the program relies on.
fn of_sound(config: &Config) {
    if let Some(api) = &config.api {
        assert!((1..=1000).contains(&api.page_size.get()));
        assert!(!api.connect_timeout.is_zero() && !api.request_timeout.is_zero());
        assert!(api.max_response_bytes > 0);
        assert!(matches!(api.base_url.scheme(), "http" | "https"));
        assert!(api.base_url.password().is_none() && api.base_url.username().is_empty());
        assert!(
            api.max_requests_per_second
                .is_none_or(|rate| rate.is_finite() && rate > 0.0)
        );
    }
    let retry = &config.retry;
    assert!(
        !retry.initial_delay.is_zero()
            && !retry.max_delay.is_zero()
            && !retry.max_elapsed.is_zero()
    );
    let deletions = &config.deletions;
    assert!(deletions.confirm_passes > 0 && (0.0..=100.0).contains(&deletions.max_percent));
    assert!(deletions.purge_after.is_none_or(|age| !age.is_zero()));
    assert!(config.changes.keep.is_none_or(|age| !age.is_zero()));
    assert!(!config.mirror.path.as_os_str().is_empty());
    for warning in &config.warnings {
        assert!(
            !warning.chars().any(char::is_control) && !warning.contains("SECRET"),
            "{warning:?}"
        );
    }
}
