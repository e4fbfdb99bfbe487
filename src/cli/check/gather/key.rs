//! Looks for the key where `sync` would, and where the service has it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::cli::check::facts::{Finding, KeyFacts, KeyFile};
use crate::config::{Api, ApiKey, Environment, LoadedKey, Survey};
use crate::mirror::FileFacts;
use crate::trust;

/// What is known of the key, and the key.
pub(super) fn gather(survey: &Survey, environment: &Environment) -> (KeyFacts, Option<ApiKey>) {
    let Some(api) = survey.api() else {
        let why = "what the configuration says of it is not clear";
        return (KeyFacts::NotLookedFor(why), None);
    };
    let error = match ApiKey::load(api, environment) {
        Ok(loaded) => return found(loaded, None),
        Err(error) => error,
    };
    // An operator's shell has no credential. A key that is there but bad is named by its place, and another is no help.
    let of_service = survey.config.file.as_deref().and_then(of_service);
    if let Some(path) = of_service.filter(|_| error.place().is_none() && api.key_file.is_none()) {
        match std::fs::File::open(&path) {
            Ok(_) => {
                let api = Api {
                    key_file: Some(path),
                    ..api.clone()
                };
                if let Ok(loaded) = ApiKey::load(&api, environment) {
                    return found(loaded, Some(KeyFile::OfService));
                }
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return (KeyFacts::OutOfReach(path), None);
            }
            Err(_) => {}
        }
    }
    (KeyFacts::Unusable(error.into()), None)
}

/// Where our units take the key from: beside the configuration file, `api-key` or, of several instances, `NAME.api-key`.
fn of_service(config: &Path) -> Option<PathBuf> {
    let name = match config.file_stem()?.to_str()? {
        "config" => "api-key".to_owned(),
        instance => format!("{instance}.api-key"),
    };
    Some(config.with_file_name(name))
}

fn found(loaded: LoadedKey, kind: Option<KeyFile>) -> (KeyFacts, Option<ApiKey>) {
    let kind = kind.unwrap_or(if loaded.is_from_key_file {
        KeyFile::Configured
    } else {
        KeyFile::Credential
    });
    let origin = Path::new(&loaded.origin);
    // What systemd hands over it has made itself.
    let doubt = (kind != KeyFile::Credential).then(|| trust::doubt_of(origin));
    let doubt = doubt.flatten().map(|doubt| Finding {
        found: format!("{}: {doubt}", loaded.origin),
        remedy: doubt.remedy(),
    });
    let facts = match FileFacts::of(origin) {
        Ok(file) => KeyFacts::InFile(file, kind, doubt),
        Err(_) => KeyFacts::InEnvironment(loaded.origin),
    };
    (facts, Some(loaded.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_units_have_the_key() {
        for (config, key) in [
            (
                "/etc/customer-mirror/config.toml",
                "/etc/customer-mirror/api-key",
            ),
            (
                "/etc/customer-mirror/nordic.toml",
                "/etc/customer-mirror/nordic.api-key",
            ),
        ] {
            assert_eq!(of_service(Path::new(config)), Some(PathBuf::from(key)));
        }
    }
}
