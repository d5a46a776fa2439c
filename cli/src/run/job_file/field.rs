//! The fields of one job: taken out one by one, each judged by its own rule.
//!
//! [`Fields`] keeps the object as a list, because a map would hide a field that stands twice. What
//! is left when every known field has been taken is unknown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::{Fault, ID_MAX, OnFail, Script, WAIT_MS_MAX};

/// Every field that a job can have, in the order of the documentation.
pub(super) const FIELDS: [&str; 10] =
    ["id", "key", "run", "undo", "retries", "backoff_ms", "timeout_ms", "env", "cwd", "on_fail"];

/// The fields of one object that have not been taken yet, in their order.
pub(super) struct Fields(Vec<(String, Given)>);

/// What a field holds.
#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    Object(Fields),
    Other(Value),
}

impl Fields {
    /// Reads one line as an object and refuses a field that stands twice.
    pub(super) fn read(text: &[u8]) -> Result<Fields, Fault> {
        let fields: Fields = serde_json::from_slice(text).map_err(json_fault)?;
        for (place, (field, _)) in fields.0.iter().enumerate() {
            if fields.0[..place].iter().any(|(earlier, _)| earlier == field) {
                return Err(Fault::RepeatedField { field: field.clone() });
            }
        }
        Ok(fields)
    }

    /// Refuses what no rule has taken.
    pub(super) fn end(self) -> Result<(), Fault> {
        match self.0.into_iter().next() {
            Some((field, _)) => Err(Fault::UnknownField { field }),
            None => Ok(()),
        }
    }

    pub(super) fn id(&mut self, field: &'static str) -> Result<Option<String>, Fault> {
        let Some(id) = self.text(field)? else { return Ok(None) };
        if id.is_empty() {
            return Err(Fault::Value { field, why: "is empty" });
        }
        if id.len() > ID_MAX {
            return Err(Fault::TooLong { field, max: ID_MAX });
        }
        if id.chars().any(char::is_control) {
            return Err(Fault::Value { field, why: "holds a control character" });
        }
        Ok(Some(id))
    }

    pub(super) fn key(&mut self, field: &'static str) -> Result<String, Fault> {
        let key = self.text(field)?.ok_or(Fault::Missing { field })?;
        if key.len() > super::KEY_MAX {
            return Err(Fault::TooLong { field, max: super::KEY_MAX });
        }
        no_nul(field, &key)?;
        Ok(key)
    }

    pub(super) fn script(&mut self, field: &'static str) -> Result<Option<Script>, Fault> {
        let expected = "a string or an array of strings";
        let script = match self.take(field) {
            None => return Ok(None),
            Some(Value::String(line)) => Script::Shell(line),
            Some(Value::Array(words)) => Script::Argv(
                words
                    .into_iter()
                    .map(|word| text(field, expected, word))
                    .collect::<Result<_, _>>()?,
            ),
            Some(other) => return Err(wrong_type(field, expected, &other)),
        };
        let words = match &script {
            Script::Shell(line) => std::slice::from_ref(line),
            Script::Argv(words) => words,
        };
        if words.first().is_none_or(String::is_empty) {
            return Err(Fault::Value { field, why: "names no command" });
        }
        for word in words {
            no_nul(field, word)?;
        }
        Ok(Some(script))
    }

    pub(super) fn number(
        &mut self,
        field: &'static str,
        min: u64,
        max: u64,
    ) -> Result<Option<u64>, Fault> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Number(number)) => match number.as_u64() {
                Some(number) if (min..=max).contains(&number) => Ok(Some(number)),
                _ => Err(Fault::Range { field, min, max }),
            },
            Some(other) => Err(wrong_type(field, "a whole number", &other)),
        }
    }

    pub(super) fn millis(
        &mut self,
        field: &'static str,
        min: u64,
    ) -> Result<Option<Duration>, Fault> {
        Ok(self.number(field, min, WAIT_MS_MAX)?.map(Duration::from_millis))
    }

    pub(super) fn env(&mut self, field: &'static str) -> Result<BTreeMap<String, String>, Fault> {
        let expected = "an object of strings";
        let entries = match self.take_given(field) {
            None => return Ok(BTreeMap::new()),
            Some(Given::Object(entries)) => entries.0,
            Some(Given::Other(other)) => return Err(wrong_type(field, expected, &other)),
        };
        let mut env = BTreeMap::new();
        for (name, value) in entries {
            if name.is_empty() || name.contains('=') {
                return Err(Fault::Value { field, why: "holds a name that is empty or has a `=`" });
            }
            let value = text(field, expected, value.into())?;
            no_nul(field, &name)?;
            no_nul(field, &value)?;
            if env.insert(name, value).is_some() {
                return Err(Fault::Value { field, why: "holds a name twice" });
            }
        }
        Ok(env)
    }

    pub(super) fn path(&mut self, field: &'static str) -> Result<Option<PathBuf>, Fault> {
        let Some(path) = self.text(field)? else { return Ok(None) };
        if path.is_empty() {
            return Err(Fault::Value { field, why: "is empty" });
        }
        no_nul(field, &path)?;
        Ok(Some(PathBuf::from(path)))
    }

    pub(super) fn on_fail(&mut self, field: &'static str) -> Result<OnFail, Fault> {
        match self.text(field)?.as_deref() {
            None | Some("continue") => Ok(OnFail::Continue),
            Some("hold") => Ok(OnFail::Hold),
            Some("fail-rest") => Ok(OnFail::FailRest),
            Some(_) => {
                Err(Fault::Value { field, why: "expected `continue`, `hold` or `fail-rest`" })
            }
        }
    }

    fn text(&mut self, field: &'static str) -> Result<Option<String>, Fault> {
        self.take(field).map(|value| text(field, "a string", value)).transpose()
    }

    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.take_given(field).map(Value::from)
    }

    fn take_given(&mut self, field: &'static str) -> Option<Given> {
        let place = self.0.iter().position(|(name, _)| name == field)?;
        Some(self.0.remove(place).1)
    }
}

impl From<Given> for Value {
    /// For rules that take no object: only that it is one is told.
    fn from(given: Given) -> Value {
        match given {
            Given::Object(_) => Value::Object(Map::new()),
            Given::Other(value) => value,
        }
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Milliseconds, as the job file counts.
pub(super) fn as_millis<S: Serializer>(wait: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(wait.as_millis() as u64)
}

/// Milliseconds, as the job file counts; absent values are skipped before.
pub(super) fn as_optional_millis<S: Serializer>(
    wait: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    as_millis(&wait.unwrap_or_default(), to)
}

fn json_fault(error: serde_json::Error) -> Fault {
    match error.classify() {
        Category::Data => Fault::NotAnObject,
        Category::Io | Category::Syntax | Category::Eof => {
            // The message ends with a place that is counted inside of the line: said by us instead.
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            Fault::Json { column: error.column(), message }
        }
    }
}

fn text(field: &'static str, expected: &'static str, value: Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(wrong_type(field, expected, &other)),
    }
}

/// No argument, name or path of the system can hold a zero byte.
fn no_nul(field: &'static str, text: &str) -> Result<(), Fault> {
    match text.contains('\0') {
        true => Err(Fault::Value { field, why: "holds a zero byte" }),
        false => Ok(()),
    }
}

fn wrong_type(field: &'static str, expected: &'static str, found: &Value) -> Fault {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Fault::Type { field, expected, found }
}
