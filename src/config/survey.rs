//! The configuration as far as it can be read, and all that is wrong with it: for `check`, which must not stop at the first error.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::ConfigError;
use super::load::{self, Sources, build};
use super::settings::Settings;
use super::{Api, Config, Http, Timing};

/// A configuration that may be broken.
#[derive(Debug)]
pub struct Survey {
    /// The configuration, with the default in place of each value that is wrong.
    pub config: Config,
    /// All that is wrong; any of it would end [`Config::load`].
    pub errors: Vec<ConfigError>,
    /// Where the mirror is, unless that is among what can't be read.
    pub mirror_path: Option<PathBuf>,
}

impl Survey {
    /// Reads what [`Config::load`] reads.
    ///
    /// # Errors
    /// If the defaults are wrong: a bug.
    pub fn take(cli_path: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        take(cli_path, environment, Path::new(load::DEFAULT_FILE))
    }

    /// The API, if everything that is said of it is understood: a key must not go to where nobody meant to send it.
    pub fn api(&self) -> Option<&Api> {
        let is_clear = self
            .errors
            .iter()
            .all(|error| error.key().is_some_and(|key| !key.starts_with("api")));
        self.config.api.as_ref().filter(|_| is_clear)
    }

    /// The schedule, unless it is among what is wrong.
    pub fn schedule(&self) -> Option<&Timing> {
        let is_wrong = self
            .errors
            .iter()
            .any(|error| error.key().is_none_or(|key| key.starts_with("schedule")));
        (!is_wrong).then_some(&self.config.schedule)
    }

    /// The HTTP endpoint, unless it is among what is wrong.
    pub fn http(&self) -> Option<&Http> {
        let is_wrong = self
            .errors
            .iter()
            .any(|error| error.key().is_none_or(|key| key.starts_with("http")));
        (!is_wrong).then_some(&self.config.http)
    }
}

/// [`Survey::take`], with the default file as an argument for the tests.
pub(super) fn take(
    cli_path: Option<&Path>,
    environment: &Environment,
    default_file: &Path,
) -> Result<Survey, ConfigError> {
    let Sources {
        layers: [defaults, mut in_file, mut in_environment],
        file,
        mut errors,
    } = Sources::read(cli_path, environment, default_file);
    // Each turn forgets a value, so it ends.
    let (config, path_is_default) = loop {
        let layers = [defaults.clone(), in_file.clone(), in_environment.clone()];
        let settings = Settings::merge(layers)?;
        let error = match build(&settings, environment, file.clone()) {
            Ok(config) => break (config, settings.get("mirror.path")?.is_default()),
            Err(error) => error,
        };
        let forgotten = error
            .key()
            .is_some_and(|key| in_environment.remove(key) | in_file.remove(key));
        if !forgotten {
            return Err(error);
        }
        errors.push(error);
    };
    // A section that is misspelt may well be the one that says where the mirror is.
    let may_be_elsewhere = errors.iter().any(|error| match error.key() {
        None | Some("mirror") => path_is_default,
        Some(key) => key == "mirror.path",
    });
    Ok(Survey {
        mirror_path: (!may_be_elsewhere).then(|| config.mirror.path.clone()),
        config,
        errors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The survey of a file, in an environment without variables.
    fn survey(text: &str) -> Survey {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        take(Some(&path), &Environment::default(), Path::new("/none")).unwrap()
    }

    /// Its errors, without the place.
    fn errors(survey: &Survey) -> Vec<String> {
        let texts = survey.errors.iter().map(ToString::to_string);
        texts
            .map(|text| text.split_once(".toml:").unwrap().1.to_owned())
            .collect()
    }

    #[test]
    fn every_error_is_told_and_the_rest_is_read() {
        let survey = survey(
            "[api]\nbase_url = \"https://api.example.com\"\n[retry]\nmax_delay = 5\n[schedule]\ncron = \"soon\"\n\
             timezone = \"Europe/Stockholm\"\n[deletions]\nmax_percent = 300\n[mirror]\npath = \"m.db\"\n",
        );
        let errors = errors(&survey);
        assert_eq!(errors.len(), 3, "{errors:?}");
        for (error, said) in errors.iter().zip([
            "4: retry.max_delay = 5",
            "6: schedule.cron = \"soon\"",
            "9: deletions.max_percent = 300",
        ]) {
            assert!(error.starts_with(said), "{error}");
        }
        assert_eq!(survey.mirror_path.as_deref(), Some(Path::new("m.db")));
        assert!(survey.api().is_some());
        let timezone = survey.config.schedule.when.timezone();
        assert_eq!(timezone.name(), "Europe/Stockholm");
    }

    #[test]
    fn what_may_be_wrong_is_not_used() {
        let api = "[api]\nbase_url = \"https://api.example.com\"\n";
        let path = "[mirror]\npath = \"m.db\"\n";
        for (text, has_path, has_api) in [
            (format!("{api}{path}"), true, true),
            (format!("{api}page_size = 0\n{path}"), true, false),
            (format!("{api}paeg_size = 7\n{path}"), true, false),
            (format!("{api}{path}paht = 7\n"), true, true),
            (format!("{api}[mirror]\npaht = \"m.db\"\n"), false, true),
            (format!("{api}[miror]\npath = \"m.db\"\n"), false, false),
            (format!("{api}[mirror]\npath = \"~/m.db\"\n"), false, true),
            (format!("{path}[api]\nbase_url = https\n"), true, false),
            (format!("{api}[mirror]\npath = \"m.db\n"), false, false),
        ] {
            let survey = survey(&text);
            assert_eq!(survey.mirror_path.is_some(), has_path, "{text}");
            assert_eq!(survey.api().is_some(), has_api, "{text}");
        }
    }
}
