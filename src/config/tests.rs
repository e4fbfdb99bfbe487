mod keys;
mod refused;

use std::collections::BTreeSet;
use std::fs;

use super::schema::KEYS;
use super::*;

const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Loads a file (written to a new folder, which messages call `DIR`) and an environment.
fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    fs::write(&path, file).unwrap();
    let shown = folder.path().display().to_string();
    let loaded = Config::load(Some(&path), &environment.iter().copied().collect());
    loaded.map_err(|error| error.to_string().replace(&shown, "DIR"))
}

/// What is configured, without where it was read from.
fn settings_of(mut config: Config) -> String {
    config.file = None;
    format!("{config:#?}")
}

fn api(toml: &str) -> Api {
    load(toml, &[]).unwrap().api.unwrap()
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = load("[api]\nbase_url = 'https://api.example.com/v1/'", &[]).unwrap();
    let api = config.require_api().unwrap();
    assert_eq!(api.base_url.as_str(), "https://api.example.com/v1");
    assert_eq!(
        (
            api.filter.as_deref(),
            api.page_size.get(),
            api.max_response_bytes
        ),
        (None, 1000, 64 << 20)
    );
    assert_eq!(
        (api.connect_timeout, api.request_timeout),
        (Duration::from_secs(10), Duration::from_secs(60))
    );
    assert_eq!(
        (api.max_requests_per_second, api.key_file.as_deref()),
        (None, None)
    );
    let names = &api.parameters;
    assert_eq!(
        [&names.filter, &names.limit, &names.cursor],
        ["filter", "limit", "cursor"]
    );
    assert_eq!(config.retry.initial_delay, Duration::from_millis(500));
    assert_eq!(config.retry.max_delay, Duration::from_secs(60));
    assert_eq!(config.retry.max_elapsed, Duration::from_secs(900));
    assert_eq!(config.schedule.when.expression(), "*/15 * * * *");
    assert_eq!(config.schedule.when.timezone(), &crate::schedule::Zone::UTC);
    assert_eq!(
        (config.schedule.jitter, config.schedule.run_on_start),
        (Duration::ZERO, true)
    );
    assert_eq!(
        config.mirror.path,
        Path::new("/var/lib/customer-mirror/customers.db")
    );
    assert_eq!(
        (
            config.deletions.confirm_passes,
            config.deletions.always_allow
        ),
        (2, 20)
    );
    assert!((config.deletions.max_percent - 10.0).abs() < f64::EPSILON);
    assert_eq!(config.deletions.purge_after, None);
    assert_eq!(config.changes.keep, Some(Duration::from_secs(90 * 86_400)));
    assert_eq!(config.http.listen, None);
    assert_eq!(
        (config.log.level, config.log.format),
        (tracing::Level::INFO, LogFormat::Auto)
    );
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn the_example_file_holds_the_defaults() {
    assert_eq!(
        settings_of(load(EXAMPLE, &[]).unwrap()),
        settings_of(load("", &[]).unwrap())
    );
}

#[test]
fn the_example_file_names_every_key_and_no_other() {
    // With the settings that have no default switched on too.
    let lines: Vec<&str> = EXAMPLE
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with(' '))
                .unwrap_or(line)
        })
        .collect();
    let document: toml::Table = lines.join("\n").parse().unwrap();
    let mut named = BTreeSet::new();
    for (section, table) in &document {
        for (key, value) in table.as_table().unwrap() {
            match value.as_table() {
                None => named.extend([format!("{section}.{key}")]),
                Some(inner) => {
                    named.extend(inner.keys().map(|name| format!("{section}.{key}.{name}")));
                }
            }
        }
    }
    assert_eq!(named, KEYS.iter().map(|key| key.name.to_owned()).collect());
    let key_file_left_out = lines.join("\n").replace("key_file = ", "#");
    let config = load(&key_file_left_out, &[]).unwrap();
    assert_eq!(
        config.require_api().unwrap().source_fingerprint(),
        "https://api.example.com/v1?filter=ACME"
    );
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
    let file = "[api]\nbase_url='https://a.example'\nfilter='x'\npage_size=0x10\n[api.parameters]\nlimit='top'\n[deletions]\nmax_percent=5";
    let environment = [
        ("CUSTOMER_MIRROR__API__PAGE_SIZE", " 007 "),
        ("CUSTOMER_MIRROR__API__FILTER", "007"),
        ("CUSTOMER_MIRROR__API__PARAMETERS__CURSOR", "after"),
        ("CUSTOMER_MIRROR__API__MAX_REQUESTS_PER_SECOND", "2.5"),
        ("CUSTOMER_MIRROR__SCHEDULE__RUN_ON_START", "false"),
        ("CUSTOMER_MIRROR__CHANGES__KEEP", "never"),
        ("CUSTOMER_MIRROR__DELETIONS__PURGE_AFTER", "365d"),
        ("CUSTOMER_MIRROR__LOG__FORMAT", "json"),
        ("CUSTOMER_MIRROR__API__KEY", "007"),
    ];
    let config = load(file, &environment).unwrap();
    let api = config.api.unwrap();
    assert_eq!(
        (api.page_size.get(), api.filter.as_deref()),
        (7, Some("007"))
    );
    assert_eq!(
        (
            api.parameters.limit.as_str(),
            api.parameters.cursor.as_str()
        ),
        ("top", "after")
    );
    assert_eq!(
        (api.max_requests_per_second, config.deletions.max_percent),
        (Some(2.5), 5.0)
    );
    assert_eq!(
        (config.schedule.run_on_start, config.changes.keep),
        (false, None)
    );
    let year = Duration::from_secs(365 * 86_400);
    assert_eq!(config.deletions.purge_after, Some(year));
    assert_eq!(config.log.format, LogFormat::Json);
    let without_filter = load(file, &[("CUSTOMER_MIRROR__API__FILTER", "")]).unwrap();
    assert_eq!(without_filter.api.unwrap().filter, None);
}

#[test]
fn a_key_in_the_environment_is_shown_nowhere() {
    let error = load("", &[("CUSTOMER_MIRROR__API__TOKEN", "SECRET")]).unwrap_err();
    assert!(
        error.starts_with(
            "CUSTOMER_MIRROR__API__TOKEN: unknown variable (value not shown); if it is the API key, provide it as"
        ),
        "{error}"
    );
    let variables: Environment = [("CUSTOMER_MIRROR__API__KEY", "SECRET")]
        .into_iter()
        .collect();
    assert_eq!(format!("{variables:?}"), "{\"CUSTOMER_MIRROR__API__KEY\"}");
    let config = load("", &[("CUSTOMER_MIRROR__API__KEY", "SECRET")]).unwrap();
    assert!(!format!("{config:?}").contains("SECRET"));
}

#[test]
fn a_misspelt_variable_is_warned_of() {
    let config = load(
        "",
        &[
            ("CUSTOMER_MIRROR_API_KEY", "SECRET"),
            ("CUSTOMER_MIRROR_VERSION", "1"),
        ],
    )
    .unwrap();
    assert_eq!(
        config.warnings,
        [
            "the environment variable CUSTOMER_MIRROR_API_KEY is ignored; did you mean CUSTOMER_MIRROR__API__KEY?"
        ]
    );
}

#[test]
fn without_a_base_url_the_section_is_checked_all_the_same() {
    let config = load("[api]\npage_size = 5", &[]).unwrap();
    assert!(config.api.is_none());
    let message = config.require_api().unwrap_err().to_string();
    let file = config.file.unwrap();
    assert_eq!(
        message,
        format!(
            "api.base_url is not set: write base_url = \"https://…\" under [api] in {}, or set CUSTOMER_MIRROR__API__BASE_URL",
            file.display()
        )
    );
}

#[test]
fn only_the_default_file_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.toml");
    let nothing = Environment::default();
    assert_eq!(load::load(None, &nothing, &missing).unwrap().file, None);
    let error = Config::load(Some(&missing), &nothing)
        .unwrap_err()
        .to_string();
    let expected = "there is no such configuration file; --config names it: correct the path or create the file";
    assert_eq!(error, format!("{}: {expected}", missing.display()));
    let variables: Environment = [("CUSTOMER_MIRROR_CONFIG", missing.to_str().unwrap())]
        .into_iter()
        .collect();
    let error = load::load(None, &variables, &missing)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        format!(
            "{}: {}",
            missing.display(),
            expected.replace("--config", "CUSTOMER_MIRROR_CONFIG")
        )
    );
    // The command line wins over the environment.
    let present = folder.path().join("c.toml");
    fs::write(&present, "").unwrap();
    assert_eq!(
        Config::load(Some(&present), &variables).unwrap().file,
        Some(present)
    );
    // A folder is no file, whoever names it.
    let error = load::load(None, &nothing, folder.path())
        .unwrap_err()
        .to_string();
    assert!(error.contains("can't read the configuration"), "{error}");
}

#[test]
fn the_filter_is_part_of_the_fingerprint() {
    let api =
        api("[api]\nbase_url = 'https://a.example/'\nfilter = 'a b&ö'\nparameters.filter = 'q'");
    assert_eq!(
        api.source_fingerprint(),
        "https://a.example?filter=a+b%26%C3%B6"
    );
}

#[test]
fn a_base_url_with_the_listing_in_it_is_warned_of() {
    let config = load("[api]\nbase_url = 'https://a.example/v1/customers'", &[]).unwrap();
    assert_eq!(config.warnings.len(), 1);
}
