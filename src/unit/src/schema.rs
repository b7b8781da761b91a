//! The JSON Schema of unit files (draft 7, which editors read), made from the
//! table of keys. It knows what stands where and of what form it is; what
//! concerns several keys, other units or the machine only the loader knows.

mod examples;
mod forms;

use crate::keys::{self, Key, VERBS};
use serde_json::{Map, Value, json};

/// The schema as it stands in `schema/ham.unit.schema.json`.
#[must_use]
pub fn unit_schema() -> Value {
    let mut root = table("");
    let about = "Unit of ham, the High Availability Manager: what is supervised, and what is \
                 done about it. See ham.unit(5); `hamctl check` knows what a schema cannot.";
    let heads = ["entity", "target", "global"].map(|head| json!({ "required": [head] }));
    // What says that there is no such unit need not say more.
    let mask = json!({ "required": ["mask"] });
    // An empty file can be all that there is of an instance of a template.
    let empty = json!({ "maxProperties": 0 });
    let mut definitions = forms::definitions();
    definitions.insert("condition".to_owned(), Value::Object(table("condition")));
    definitions.insert("action".to_owned(), one_verb(table("action")));
    definitions.insert("on-fail".to_owned(), one_verb(verbs_only(table("action"))));
    root.extend([
        ("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#")),
        ("title".to_owned(), json!("Unit of ham")),
        ("description".to_owned(), json!(about)),
        ("anyOf".to_owned(), json!([{ "oneOf": heads }, mask, empty])),
        ("definitions".to_owned(), Value::Object(definitions)),
    ]);
    Value::Object(root)
}

/// Examples of what a key takes, as TOML; empty for tables.
#[must_use]
pub fn examples(path: &str) -> &'static [&'static str] {
    let known = examples::EXAMPLES.iter().find(|(known, _)| *known == path);
    known.map_or(&[], |(_, examples)| examples)
}

/// Where the keys of a table are listed; those of the four directories are
/// once.
fn keys_of(path: &str) -> &str {
    match path {
        "entity.state-directory" | "entity.cache-directory" | "entity.logs-directory" => {
            "entity.runtime-directory"
        }
        other => other,
    }
}

/// Groups of keys of which one must be there, where no single one is required.
fn one_of_these(path: &str) -> &'static [&'static str] {
    match path {
        "entity.ready" => &["fd", "path"],
        "entity.runtime-directory" => &["name", "names"],
        "entity.stdin" | "entity.stdout" | "entity.stderr" => &["file"],
        "condition.on" => &["state", "raise"],
        // A pause has no timeout.
        "action.waitfor" => &["delay", "timeout"],
        _ => &[],
    }
}

/// An object with the keys of a table, and no other.
fn table(path: &str) -> Map<String, Value> {
    let path = keys_of(path);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, key) in keys::of_table(path) {
        properties.insert(name.to_owned(), property(key));
        if key.default == "required" && one_of_these(path).is_empty() {
            required.push(name);
        }
    }
    let mut table = Map::new();
    table.insert("type".to_owned(), json!("object"));
    table.insert("properties".to_owned(), Value::Object(properties));
    table.insert("patternProperties".to_owned(), json!({ "^x-": {} }));
    table.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        table.insert("required".to_owned(), json!(required));
    }
    let one_of = one_of_these(path);
    if !one_of.is_empty() {
        let one_of: Vec<Value> = one_of.iter().map(|key| json!({ "required": [key] })).collect();
        table.insert("anyOf".to_owned(), json!(one_of));
    }
    table
}

fn one_verb(mut action: Map<String, Value>) -> Value {
    let verbs = VERBS.map(|verb| json!({ "required": [verb] }));
    action.insert("oneOf".to_owned(), json!(verbs));
    Value::Object(action)
}

/// The table of an item of `on-fail`: a failed restart is tried again anyway.
fn verbs_only(mut action: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Object(properties)) = action.get_mut("properties") {
        properties.retain(|name, _| VERBS.contains(&name.as_str()) && name != "restart");
    }
    action
}

/// What stands behind one key.
fn property(key: &Key) -> Value {
    let mut forms = forms::of(key);
    let mut property = match forms.len() {
        1 if forms.first().is_some_and(|form| form.get("$ref").is_none()) => match forms.pop() {
            Some(Value::Object(only)) => only,
            Some(_) | None => Map::new(),
        },
        // What stands beside a `$ref` does not count in draft 7.
        _ => Map::from_iter([("anyOf".to_owned(), Value::Array(forms))]),
    };
    let default = default(key);
    let said = match (&default, key.default) {
        (Some(_), _) | (None, "none" | "required") => String::new(),
        (None, words) => format!(" Default: {words}."),
    };
    property.insert("description".to_owned(), json!(format!("{}{said}", key.doc)));
    if let Some(default) = default {
        property.insert("default".to_owned(), default);
    }
    let examples: Vec<Value> =
        examples(key.path).iter().filter_map(|example| value_of(example)).collect();
    if !examples.is_empty() {
        property.insert("examples".to_owned(), Value::Array(examples));
    }
    Value::Object(property)
}

/// The default as a value, if it is one and not words about one.
fn default(key: &Key) -> Option<Value> {
    let is_word = |word: &str| key.kind.contains(&format!("\"{word}\""));
    match key.default {
        "none" | "required" => None,
        "true" | "false" | "{}" | "[]" => value_of(key.default),
        number if number.parse::<u32>().is_ok() && !key.kind.contains("octal") => value_of(number),
        word if is_word(word) || matches!(key.kind, "duration" | "signal" | "octal number") => {
            Some(json!(word))
        }
        _ => None,
    }
}

/// A value of TOML as one of JSON.
fn value_of(text: &str) -> Option<Value> {
    let table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
    serde_json::to_value(table.get("value")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KEYS;

    #[test]
    fn every_key_stands_in_the_schema_with_what_it_takes() {
        fn walk(value: &Value, seen: &mut usize) {
            match value {
                Value::Object(entries) => {
                    if let Some(Value::Object(properties)) = entries.get("properties") {
                        for (name, property) in properties {
                            let keys: Vec<&str> =
                                property.as_object().unwrap().keys().map(String::as_str).collect();
                            assert!(keys.contains(&"description"), "{name}");
                            let form =
                                keys.iter().any(|key| ["type", "anyOf", "enum"].contains(key));
                            assert!(form, "{name} takes anything: {property}");
                            *seen += 1;
                        }
                    }
                    entries.values().for_each(|inner| walk(inner, seen));
                }
                Value::Array(items) => items.iter().for_each(|inner| walk(inner, seen)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let mut seen = 0;
        walk(&unit_schema(), &mut seen);
        // Some tables stand in several places.
        assert!(seen > KEYS.len(), "{seen} of {}", KEYS.len());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let schema = unit_schema();
        let text = schema.to_string();
        for rest in text.split("\"$ref\":\"#/definitions/").skip(1) {
            let name = rest.split('"').next().unwrap();
            assert!(schema["definitions"].get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn examples_are_there_for_every_key_that_has_a_value() {
        for key in KEYS {
            let given = examples(key.path);
            let table = ["table", "empty table", "array of tables"].contains(&key.kind);
            assert!(table || !given.is_empty(), "{} has none", key.path);
            for example in given {
                assert!(value_of(example).is_some(), "{}: {example}", key.path);
            }
        }
        for (path, _) in examples::EXAMPLES {
            assert!(KEYS.iter().any(|key| key.path == *path), "no key {path}");
        }
    }

    #[test]
    fn defaults_are_values_where_they_can_be() {
        let of = |path: &str| default(KEYS.iter().find(|key| key.path == path).unwrap());
        assert_eq!(of("entity.stop.timeout"), Some(json!("5s")));
        assert_eq!(of("entity.umask"), Some(json!("0022")));
        assert_eq!(of("heartbeat.low"), Some(json!(2)));
        assert_eq!(of("entity.remain"), Some(json!(false)));
        assert_eq!(of("entity.stdin"), Some(json!("null")));
        assert_eq!(of("entity.user"), None);
    }
}
