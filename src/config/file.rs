//! The configuration file: TOML, read strictly, so that every error has a line and nothing unknown is passed over.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use config::ValueKind;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, quoted};
use super::layer::{Layer, wrong_type};
use super::schema::{self, Key, Kind};

/// A hundred times what a fully commented file has; more is some other file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What to do with an API key that was found where it doesn't belong.
pub(super) const KEY_REMEDY: &str = "provide it as $CREDENTIALS_DIRECTORY/api-key (systemd LoadCredential), \
    in a file named by api.key_file, or in the environment variable CUSTOMER_MIRROR__API__KEY";

/// The same for the token of the HTTP endpoint.
pub(super) const TOKEN_REMEDY: &str = "provide it as $CREDENTIALS_DIRECTORY/http-token (systemd LoadCredential), \
    in a file named by http.token_file, or in the environment variable CUSTOMER_MIRROR__HTTP__TOKEN";

/// Reads a file of limited size as UTF-8.
pub(super) fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(bytes_max + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {bytes_max} bytes"),
        ));
    }
    Ok(text)
}

/// Reads and checks a file: what can be used of it, and what is wrong with the rest. `None` if there is none.
///
/// # Errors
/// If it can't be read at all.
pub(super) fn read(path: &Path) -> Result<Option<(Layer, Vec<ConfigError>)>, ConfigError> {
    match read_text(path, FILE_BYTES_MAX) {
        Ok(text) => Ok(Some(parse(&path.display().to_string(), &text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let remedy = "it must be a readable TOML file in UTF-8";
            Err(ConfigError::at(
                path.display().to_string(),
                format!("can't read the configuration: {error}; {remedy}"),
            ))
        }
    }
}

fn parse(file: &str, text: &str) -> (Layer, Vec<ConfigError>) {
    let place = |offset: usize| {
        let line = text.as_bytes()[..offset]
            .split(|byte| *byte == b'\n')
            .count();
        format!("{file}:{line}")
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    // The parser's own rendering would echo the line, which may hold a key.
    let broken: Vec<ConfigError> = errors
        .iter()
        .map(|error| {
            let place = error
                .span()
                .map_or_else(|| file.to_owned(), |span| place(span.start.min(text.len())));
            let problem = format!("not valid TOML: {}", error.message().replace('\n', ", "));
            ConfigError::at(place, problem)
        })
        .collect();
    let mut reading = Reading {
        place: &place,
        layer: Layer::default(),
        errors: Vec::new(),
    };
    reading.collect(document.get_ref(), "");
    let Reading {
        mut layer, errors, ..
    } = reading;
    if broken.is_empty() {
        return (layer, errors);
    }
    // What the parser made of a line that it doesn't understand says nothing, nor does what follows from it.
    let is_broken = |place: &str| broken.iter().any(|error| error.place() == Some(place));
    layer.retain(|place| !is_broken(place));
    (layer, broken)
}

/// A document on its way into a layer.
struct Reading<'a> {
    /// Names the place of an offset.
    place: &'a dyn Fn(usize) -> String,
    layer: Layer,
    errors: Vec<ConfigError>,
}

impl Reading<'_> {
    /// Takes the values of a section and of those inside it.
    fn collect(&mut self, table: &DeTable<'_>, section: &str) {
        let mut entries: Vec<(&Spanned<_>, &Spanned<DeValue<'_>>)> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let full_name = match section {
                "" => name.get_ref().to_string(),
                section => format!("{section}.{}", name.get_ref()),
            };
            let place = (self.place)(name.span().start);
            match (value.get_ref(), schema::find(&full_name)) {
                (DeValue::Table(inside), None) if schema::is_section(&full_name) => {
                    self.collect(inside, &full_name);
                }
                (value, Some(key)) => match typed(key, value) {
                    Ok(value) => self.layer.set(key, value, &place),
                    Err(shown) => self.errors.push(wrong_type(key, &shown, &place)),
                },
                (value, None) => {
                    let error = unknown(&full_name, value, place);
                    self.errors.push(match schema::top_section_of(&full_name) {
                        Some(section) => error.about(section),
                        None => error,
                    });
                }
            }
        }
    }
}

fn unknown(name: &str, value: &DeValue<'_>, place: String) -> ConfigError {
    let shown = name.escape_debug();
    if schema::is_section(name) {
        return ConfigError::at(
            place,
            format!("{shown} is a section; write [{shown}] and its keys below"),
        );
    }
    if schema::is_in_http(name) && schema::sounds_secret(name) {
        let why = "the token must not be in the configuration file (value not shown)";
        return ConfigError::at(place, format!("{shown}: {why}; {TOKEN_REMEDY}"));
    }
    if schema::sounds_secret(name) {
        let why = "the API key must not be in the configuration file (value not shown)";
        return ConfigError::at(place, format!("{shown}: {why}; {KEY_REMEDY}"));
    }
    let what = if value.is_table() { "section" } else { "key" };
    ConfigError::at(
        place,
        format!("unknown {what} {shown}; {}", schema::suggestion(name)),
    )
}

/// The value if it has the type of its key, else how to show it.
fn typed(key: &Key, value: &DeValue<'_>) -> Result<ValueKind, String> {
    match (key.kind, value) {
        (Kind::Text | Kind::Duration, DeValue::String(text)) => {
            Ok(ValueKind::String(text.to_string()))
        }
        (Kind::Boolean, DeValue::Boolean(value)) => Ok(ValueKind::Boolean(*value)),
        (Kind::Integer, DeValue::Integer(number)) => {
            i64::from_str_radix(number.as_str(), number.radix())
                .map(ValueKind::I64)
                .map_err(|_| number.to_string())
        }
        (Kind::Number, DeValue::Integer(number)) => {
            i64::from_str_radix(number.as_str(), number.radix())
                .map(|number| ValueKind::Float(number as f64))
                .map_err(|_| number.to_string())
        }
        (Kind::Number, DeValue::Float(number)) => number
            .as_str()
            .parse()
            .map(ValueKind::Float)
            .map_err(|_| number.to_string()),
        (_, DeValue::String(text)) => Err(quoted(text)),
        (_, DeValue::Integer(number)) => Err(number.to_string()),
        (_, DeValue::Float(number)) => Err(number.to_string()),
        (_, DeValue::Boolean(value)) => Err(value.to_string()),
        (_, other) => Err(format!("({})", other.type_str())),
    }
}
