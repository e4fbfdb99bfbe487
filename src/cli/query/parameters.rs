//! Values for the placeholders of a statement.

use rusqlite::Statement;
use rusqlite::types::Value;

use crate::cli::{Exit, Failure};

/// A placeholder's value: `name=text`, or `name:=JSON` for a number, a Boolean or NULL.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parameter {
    name: String,
    value: Value,
}

impl Parameter {
    /// Reads a value from the command line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or("write NAME=TEXT, or NAME:=JSON for a number")?;
        let (name, value) = match name.strip_suffix(':') {
            Some(name) => (name, typed(value)?),
            None => (name, Value::Text(value.to_owned())),
        };
        let name = name.trim_start_matches([':', '@', '$', '?']);
        if name.is_empty() {
            return Err("the name is missing: write NAME=TEXT".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            value,
        })
    }
}

fn typed(json: &str) -> Result<Value, String> {
    use serde_json::Value as Json;
    match serde_json::from_str(json) {
        Ok(Json::Null) => Ok(Value::Null),
        Ok(Json::Bool(truth)) => Ok(Value::Integer(truth.into())),
        Ok(Json::String(text)) => Ok(Value::Text(text)),
        Ok(Json::Number(number)) => number
            .as_i64()
            .map(Value::Integer)
            .or_else(|| number.as_f64().map(Value::Real))
            .ok_or_else(|| "the number is too large".to_owned()),
        Ok(other @ (Json::Array(_) | Json::Object(_))) => Ok(Value::Text(other.to_string())),
        Err(_) => {
            Err("after := comes JSON, such as 5, true or null; for text write NAME=TEXT".to_owned())
        }
    }
}

impl Parameter {
    pub(super) fn new(name: &str, value: Value) -> Self {
        Self {
            name: name.to_owned(),
            value,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Gives each placeholder its value. None may be without, and no value without a placeholder.
pub(super) fn bind(statement: &mut Statement<'_>, parameters: &[Parameter]) -> Result<(), Failure> {
    let wrong = |message: String| Failure::new(Exit::Usage, message);
    let placeholders: Vec<String> = (1..=statement.parameter_count())
        .map(|index| {
            statement
                .parameter_name(index)
                .map_or_else(|| format!("?{index}"), str::to_owned)
        })
        .collect();
    let mut bound = vec![false; placeholders.len()];
    for parameter in parameters {
        let mut found = false;
        for (index, placeholder) in placeholders.iter().enumerate() {
            if placeholder.get(1..) == Some(parameter.name.as_str()) {
                let result = statement.raw_bind_parameter(index + 1, &parameter.value);
                result.map_err(|error| wrong(format!("-p {}: {error}", parameter.name)))?;
                bound[index] = true;
                found = true;
            }
        }
        if !found {
            let those = match placeholders.join(", ") {
                none if none.is_empty() => "it has no placeholders".to_owned(),
                some => format!("it has {some}"),
            };
            return Err(wrong(format!(
                "-p {0}: there is no :{0} in the statement; {those}",
                parameter.name
            )));
        }
    }
    match placeholders.iter().zip(&bound).find(|(_, bound)| !**bound) {
        None => Ok(()),
        Some((placeholder, _)) => {
            let name = placeholder.get(1..).unwrap_or_default();
            Err(wrong(format!(
                "{placeholder} has no value: add -p {name}=…"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_text_unless_said_otherwise() {
        let integer = |number| Ok(Value::Integer(number));
        for (text, value) in [
            ("n=5", Ok(Value::Text("5".to_owned()))),
            ("n=", Ok(Value::Text(String::new()))),
            (":n=a=b", Ok(Value::Text("a=b".to_owned()))),
            ("n:=5", integer(5)),
            ("n:=true", integer(1)),
            ("n:=1.5", Ok(Value::Real(1.5))),
            ("n:=null", Ok(Value::Null)),
            ("n:=\"5\"", Ok(Value::Text("5".to_owned()))),
            ("n:=five", Err(())),
            ("n", Err(())),
            ("=5", Err(())),
        ] {
            assert_eq!(
                Parameter::parse(text)
                    .map(|parameter| parameter.value)
                    .map_err(drop),
                value,
                "{text}"
            );
        }
    }

    #[test]
    fn every_placeholder_needs_a_value() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let outcome = |sql: &str, parameters: &[&str]| {
            let mut statement = connection.prepare(sql).unwrap();
            let parameters: Vec<_> = parameters
                .iter()
                .map(|text| Parameter::parse(text).unwrap())
                .collect();
            bind(&mut statement, &parameters).map_err(|failure| failure.message)?;
            let mut rows = statement.raw_query();
            Ok::<String, String>(rows.next().unwrap().unwrap().get(0).unwrap())
        };
        assert_eq!(
            outcome("SELECT :a || @b || $c", &["a=x", "b=y", "c=z"]).unwrap(),
            "xyz"
        );
        assert_eq!(outcome("SELECT ?1 || ?", &["1=x", "2=y"]).unwrap(), "xy");
        assert_eq!(
            outcome("SELECT :a", &[]).unwrap_err(),
            ":a has no value: add -p a=…"
        );
        assert_eq!(
            outcome("SELECT 'x'", &["b=1"]).unwrap_err(),
            "-p b: there is no :b in the statement; it has no placeholders"
        );
    }
}
