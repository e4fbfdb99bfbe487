//! From defaults, file and environment to a validated [`Config`].

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;

use super::environment::{Environment, FILE_VARIABLE};
use super::error::ConfigError;
use super::layer::Layer;
use super::settings::{Setting, Settings};
use super::{
    Api, Changes, Config, Deletions, Log, LogFormat, Mirror, Parameters, Retry, Timing, address,
    file, listen,
};
use crate::model::PageSize;
use crate::schedule::{Schedule, ScheduleError, parse_timezone};
use crate::trust;

/// Read if no other file is named; it may be missing.
pub(super) const DEFAULT_FILE: &str = "/etc/customer-mirror/config.toml";

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Timeouts and delays: more than nothing, at most a day.
const UP_TO_A_DAY: RangeInclusive<Duration> = Duration::from_millis(1)..=DAY;
/// How long things are kept: ten years of 365 days are beyond any retention rule that isn't "never".
const RETENTION: RangeInclusive<Duration> = SECOND..=Duration::from_secs(3650 * 24 * 60 * 60);
/// A name or a filter travels in the URL, which servers commonly limit to 8 KiB.
const FILTER_BYTES_MAX: usize = 4096;
const PARAMETER_BYTES_MAX: usize = 64;

/// [`Config::load`], with the default file as an argument for the tests.
pub(super) fn load(
    cli_path: Option<&Path>,
    environment: &Environment,
    default_file: &Path,
) -> Result<Config, ConfigError> {
    let sources = Sources::read(cli_path, environment, default_file);
    match sources.errors.into_iter().next() {
        Some(error) => Err(error),
        None => build(&Settings::merge(sources.layers)?, environment, sources.file),
    }
}

/// What file and environment set.
pub(super) struct Sources {
    /// Defaults, file, environment.
    pub(super) layers: [Layer; 3],
    /// The file, if there is one.
    pub(super) file: Option<PathBuf>,
    /// What is wrong with them, the first to tell first.
    pub(super) errors: Vec<ConfigError>,
}

impl Sources {
    pub(super) fn read(
        cli_path: Option<&Path>,
        environment: &Environment,
        default_file: &Path,
    ) -> Self {
        let (path, named_by) = match (cli_path, environment.get(FILE_VARIABLE)) {
            (Some(path), _) => (path.to_owned(), Some("--config")),
            (None, Some(path)) => (PathBuf::from(path), Some(FILE_VARIABLE)),
            (None, None) => (default_file.to_owned(), None),
        };
        let (defaults, mut errors) = match Layer::defaults() {
            Ok(defaults) => (defaults, Vec::new()),
            Err(error) => (Layer::default(), vec![error]),
        };
        let mut file = None;
        let mut in_file = Layer::default();
        match (file::read(&path), named_by) {
            (Ok(Some((layer, wrong))), _) => {
                in_file = layer;
                errors.extend(wrong);
                file = Some(path);
            }
            (Ok(None), None) => {}
            (Ok(None), Some(named_by)) => {
                let problem = format!(
                    "there is no such configuration file; {named_by} names it: correct the path or create the file"
                );
                errors.push(ConfigError::at(path.display().to_string(), problem));
            }
            (Err(error), _) => errors.push(error),
        }
        let (in_environment, wrong) = environment.layer();
        errors.extend(wrong);
        Self {
            layers: [defaults, in_file, in_environment],
            file,
            errors,
        }
    }
}

/// Checks every value.
pub(super) fn build(
    settings: &Settings,
    environment: &Environment,
    file: Option<PathBuf>,
) -> Result<Config, ConfigError> {
    let api = api(settings)?;
    Ok(Config {
        warnings: warnings(api.as_ref(), environment, file.as_deref()),
        api,
        retry: retry(settings)?,
        schedule: timing(settings)?,
        mirror: Mirror {
            path: settings.get("mirror.path")?.path()?,
        },
        deletions: deletions(settings)?,
        changes: Changes {
            keep: settings.duration_or_never("changes.keep", RETENTION)?,
        },
        http: listen::http(settings)?,
        log: log(settings)?,
        file,
    })
}

fn warnings(api: Option<&Api>, environment: &Environment, file: Option<&Path>) -> Vec<String> {
    let mut warnings = environment.warnings();
    warnings.extend(
        file.and_then(|file| trust::warning_of(file, ", and so have the key sent elsewhere")),
    );
    if api.is_some_and(|api| api.base_url.path().ends_with("/customers")) {
        warnings.push(
            "api.base_url ends with /customers, which this program adds by itself; it should probably be left out"
                .to_owned(),
        );
    }
    warnings
}

/// All keys of the section are checked, also if there is no base URL and so no API.
fn api(settings: &Settings) -> Result<Option<Api>, ConfigError> {
    let base_url = settings
        .find("api.base_url")
        .map(address::base_url)
        .transpose()?;
    let page_size: u64 = settings.integer("api.page_size", 1..=1000)?;
    let page_size = PageSize::new(page_size).unwrap_or(PageSize::MAX);
    let filter = settings
        .find("api.filter")
        .map(filter)
        .transpose()?
        .flatten();
    let connect_timeout = settings.duration("api.connect_timeout", UP_TO_A_DAY)?;
    let request_timeout = settings.duration("api.request_timeout", UP_TO_A_DAY)?;
    let max_response_bytes = settings.integer("api.max_response_bytes", 1024..=1 << 30)?;
    // Slower than one request in a thousand seconds, no mirror would ever be complete.
    let max_requests_per_second = settings
        .find("api.max_requests_per_second")
        .map(|rate| rate.number(0.001..=10_000.0))
        .transpose()?;
    let parameters = parameters(settings)?;
    let key_file = settings
        .find("api.key_file")
        .map(Setting::path)
        .transpose()?;
    Ok(base_url.map(|base_url| Api {
        base_url,
        filter,
        page_size,
        connect_timeout,
        request_timeout,
        max_response_bytes,
        max_requests_per_second,
        parameters,
        key_file,
    }))
}

fn filter(setting: Setting<'_>) -> Result<Option<String>, ConfigError> {
    let text = setting.text();
    if text.len() > FILTER_BYTES_MAX {
        return Err(setting.error(&format!("must not be longer than {FILTER_BYTES_MAX} bytes")));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn parameters(settings: &Settings) -> Result<Parameters, ConfigError> {
    let names = [
        "api.parameters.filter",
        "api.parameters.limit",
        "api.parameters.cursor",
    ];
    let mut taken: Vec<String> = Vec::new();
    for name in names {
        let setting = settings.get(name)?;
        let text = setting.non_empty()?;
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if text.len() > PARAMETER_BYTES_MAX || !text.bytes().all(is_safe) {
            return Err(setting.error("a parameter name has 1 to 64 letters, digits, or - . _ ~"));
        }
        if let Some(index) = taken.iter().position(|other| other == text) {
            let other = settings.get(names[index])?;
            let blamed = if setting.is_default() { other } else { setting };
            let problem = format!("{} and {name} must have different names", names[index]);
            return Err(blamed.error(&problem));
        }
        taken.push(text.to_owned());
    }
    let [filter, limit, cursor] = <[String; 3]>::try_from(taken).unwrap_or_default();
    Ok(Parameters {
        filter,
        limit,
        cursor,
    })
}

fn retry(settings: &Settings) -> Result<Retry, ConfigError> {
    let retry = Retry {
        initial_delay: settings.duration("retry.initial_delay", UP_TO_A_DAY)?,
        max_delay: settings.duration("retry.max_delay", UP_TO_A_DAY)?,
        max_elapsed: settings.duration("retry.max_elapsed", Duration::from_millis(1)..=30 * DAY)?,
    };
    if retry.initial_delay > retry.max_delay {
        let (initial, most) = (
            settings.get("retry.initial_delay")?,
            settings.get("retry.max_delay")?,
        );
        let problem = "retry.initial_delay must not be longer than retry.max_delay";
        let [initial_text, most_text] = [initial.text(), most.text()];
        let blamed = if initial.is_default() { most } else { initial };
        return Err(blamed.error(&format!(
            "{problem} (they are {initial_text} and {most_text})"
        )));
    }
    Ok(retry)
}

fn timing(settings: &Settings) -> Result<Timing, ConfigError> {
    let (cron, timezone) = (
        settings.get("schedule.cron")?,
        settings.get("schedule.timezone")?,
    );
    let zone = parse_timezone(timezone.non_empty()?)
        .map_err(|error| timezone.error(&error.to_string()))?;
    let when =
        Schedule::parse(cron.non_empty()?, zone, Utc::now()).map_err(|error| match &error {
            ScheduleError::Expression(problem) => cron.error(problem),
            ScheduleError::Timezone(problem) => timezone.error(problem),
        })?;
    let jitter = settings.duration("schedule.jitter", Duration::ZERO..=DAY)?;
    Ok(Timing {
        when,
        jitter,
        run_on_start: settings.boolean("schedule.run_on_start")?,
    })
}

fn deletions(settings: &Settings) -> Result<Deletions, ConfigError> {
    Ok(Deletions {
        confirm_passes: settings.integer("deletions.confirm_passes", 1..=100)?,
        max_percent: settings.get("deletions.max_percent")?.number(0.0..=100.0)?,
        always_allow: settings.integer("deletions.always_allow", 0..=i64::MAX)?,
        purge_after: settings.duration_or_never("deletions.purge_after", RETENTION)?,
    })
}

fn log(settings: &Settings) -> Result<Log, ConfigError> {
    use tracing::Level;
    let levels = [
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
    let formats = [
        ("auto", LogFormat::Auto),
        ("text", LogFormat::Text),
        ("json", LogFormat::Json),
        ("journald", LogFormat::Journald),
    ];
    Ok(Log {
        level: settings.word("log.level", &levels)?,
        format: settings.word("log.format", &formats)?,
    })
}
