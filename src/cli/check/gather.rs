//! Looks at everything once, and decides nothing.

mod key;

use std::path::Path;
use std::time::{Duration, Instant};

use chrono::Utc;

use super::Frame;
use super::facts::{
    ApiFacts, ConfigFacts, Contents, Examined, Facts, HttpFacts, MirrorFacts, ServerFacts, State,
    TokenFacts,
};
use crate::cli::watch::Watch;
use crate::cli::{Exit, Failure, progress};
use crate::config::{ApiKey, Environment, HttpToken, Survey};
use crate::mirror::{Depth, FileFacts, Files, MirrorError, Reader, lock_state};
use crate::model::Timestamp;
use crate::source::visit;
use crate::telemetry;

/// What SQLite's own check may take unasked: it is enough for two gigabytes that are in memory, or some hundred megabytes from a slow
/// disk, and not too long for whoever waits for an answer.
pub(super) const QUICK_CHECK_MAX: Duration = Duration::from_secs(10);

/// Looks at everything.
///
/// # Errors
/// Only bugs.
pub(super) async fn gather(
    frame: &Frame,
    offline: bool,
    depth: Depth,
    watch: &Watch,
) -> Result<Facts, Failure> {
    let now = Utc::now();
    let (environment, unreadable) = match Environment::of_process() {
        Ok(environment) => (environment, None),
        Err(error) => (Environment::default(), Some(error)),
    };
    let mut survey = Survey::take(frame.config.as_deref(), &environment)?;
    survey.errors.extend(unreadable);
    let options = telemetry::Options {
        verbose: frame.verbose,
        quiet: frame.quiet,
        daemon: false,
    };
    telemetry::start(&survey.config.log, options, progress::log_writer);
    let (key, found) = key::gather(&survey, &environment);
    watch.looks_at("the mirror".to_owned());
    let mirror = survey
        .mirror_path
        .as_deref()
        .map(|path| mirror(path, depth, now, watch));
    let server = if offline {
        ServerFacts::NotAsked("not asked: --offline")
    } else {
        server(&survey, found.as_ref(), mirror.as_ref(), watch).await
    };
    Ok(Facts {
        now,
        config: config(&survey),
        schedule: survey.schedule().cloned(),
        key,
        http: http(&survey, &environment),
        mirror,
        server,
    })
}

fn config(survey: &Survey) -> ConfigFacts {
    let mut errors: Vec<String> = survey.errors.iter().map(ToString::to_string).collect();
    if errors.is_empty() {
        // Among other errors, it may well be one of them.
        errors.extend(
            survey
                .config
                .require_api()
                .err()
                .map(|error| error.to_string()),
        );
    }
    let file = survey.config.file.as_deref();
    ConfigFacts {
        errors,
        warnings: survey.config.warnings.clone(),
        file: file.and_then(|file| FileFacts::of(file).ok()),
        api: survey.api().map(|api| ApiFacts {
            source: api.source_fingerprint(),
            parameters: api.parameters.clone(),
            has_filter: api.filter.is_some(),
        }),
    }
}

fn http(survey: &Survey, environment: &Environment) -> HttpFacts {
    let Some(http) = survey.http() else {
        return HttpFacts::Unclear;
    };
    let Some(listen) = &http.listen else {
        return HttpFacts::Off;
    };
    let token = HttpToken::load(http, environment);
    let token = token.map(|token| TokenFacts {
        is_there: token.is_some(),
        warnings: token.map(|token| token.warnings).unwrap_or_default(),
    });
    HttpFacts::On(listen.clone(), token.map_err(|error| error.to_string()))
}

fn mirror(path: &Path, depth: Depth, now: Timestamp, watch: &Watch) -> MirrorFacts {
    MirrorFacts {
        path: path.to_owned(),
        files: Files::of(path),
        lock: lock_state(path),
        state: state(path, depth, now, watch),
    }
}

fn state(path: &Path, depth: Depth, now: Timestamp, watch: &Watch) -> State {
    let mut reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(MirrorError::Missing { .. }) => return State::Missing,
        Err(error) => return State::Closed(error.into()),
    };
    let contents = reader.status().and_then(|status| {
        let health = reader.health(now)?;
        Ok(Box::new(Contents { status, health }))
    });
    let began = Instant::now();
    let examined = reader.examine(depth, &|what| watch.looks_at(what));
    State::Open {
        contents: contents.map_err(Failure::from),
        examined: examined.map_err(Failure::from).map(|soundness| Examined {
            soundness,
            is_full: depth == Depth::Full,
            took: began.elapsed(),
        }),
    }
}

/// The one request, unless something speaks against it.
async fn server(
    survey: &Survey,
    key: Option<&ApiKey>,
    mirror: Option<&MirrorFacts>,
    watch: &Watch,
) -> ServerFacts {
    let (Some(api), Some(key)) = (survey.api(), key) else {
        return ServerFacts::NotAsked(if survey.api().is_none() {
            "not asked: the configuration must say clearly whom"
        } else {
            "not asked: there is no key at hand"
        });
    };
    let source = api.source_fingerprint();
    if let Some(State::Open { contents: Ok(contents), .. }) = mirror.map(|mirror| &mirror.state)
        // What another server asked for is nothing to this one.
        && contents.status.mirror.source.as_ref() == Some(&source)
        && let Some(until) = contents.health.requests_not_before
    {
        return ServerFacts::LeftAlone(until);
    }
    watch.looks_at(format!("the server: {}", api.customers_url()));
    match visit(api, key).await {
        Ok(visit) => ServerFacts::Asked(visit),
        Err(error) => ServerFacts::NotReady(Failure::new(Exit::Config, error.to_string())),
    }
}
