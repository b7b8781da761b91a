//! What the words of [`crate::keys::Key::kind`] mean as JSON Schema.

use super::table;
use crate::duration::UNITS;
use crate::keys::Key;
use ham_core::plan::{ConditionKind, Setting};
use serde_json::{Map, Value, json};

/// Forms that many keys take.
pub(super) fn definitions() -> Map<String, Value> {
    let mut units: Vec<&str> = UNITS.to_vec();
    // The longest first: some begin with others.
    units.sort_by_key(|unit| std::cmp::Reverse(unit.len()));
    let time = format!(r"(\d+(\.\d+)?\s*({})\s*)+", units.join("|"));
    let size = r"\d+\s*(B|KiB|MiB|GiB|TiB|PiB)?";
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let pair = |one: &str| {
        let one = format!(r"\s*({one}|infinity)\s*");
        text(&format!("^{one}(:{one})?$"))
    };
    let number = json!({ "type": "integer", "minimum": 0 });
    let name = r"[A-Za-z0-9_:][A-Za-z0-9_.:/-]*(@[A-Za-z0-9_.:/-]*)?";
    let definitions = [
        ("duration", text(&format!(r"^\s*({time}|infinity)\s*$"))),
        ("signal", text(r"^\s*[A-Za-z0-9]+([+-][0-9]+)?\s*$")),
        ("path", text("^/")),
        ("path-maybe", text("^-?/")),
        ("relative-path", text("^[^/]")),
        ("name", text(&format!("^{name}$"))),
        ("neighbour", text(&format!(r"^{name}\??$"))),
        ("variable", text("^[A-Za-z_][A-Za-z0-9_]*$")),
        ("account", json!({ "anyOf": [{ "type": "string", "minLength": 1 }, number] })),
        ("octal", json!({ "anyOf": [text("^[0-7]+$"), number] })),
        ("capability", text("^([Cc][Aa][Pp]_)?[A-Za-z_]+$")),
        (
            "processor",
            json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": 1023 },
            text(r"^\s*\d+\s*(-\s*\d+\s*)?$"),
        ] }),
        ),
        (
            "end",
            json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": 255 },
            { "$ref": "#/definitions/signal" },
        ] }),
        ),
        ("state", json!({ "anyOf": [{ "type": "string", "minLength": 1 }, number] })),
        ("limit-size", json!({ "anyOf": [pair(size), number] })),
        ("limit-time", pair(&time)),
        ("limit-number", json!({ "anyOf": [pair(r"\d+"), number] })),
    ];
    definitions.into_iter().map(|(name, form)| (name.to_owned(), form)).collect()
}

fn refer(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

fn list(item: &Value) -> Value {
    json!({ "type": "array", "items": item })
}

/// The forms that a key takes, each an alternative of the others.
pub(super) fn of(key: &Key) -> Vec<Value> {
    match key.kind {
        "size, or \"soft:hard\"" => return vec![refer("limit-size")],
        "duration, or \"soft:hard\"" => return vec![refer("limit-time")],
        "number, or \"soft:hard\"" => return vec![refer("limit-number")],
        _ => {}
    }
    let kind = key.kind.replace(", ", " or ");
    let (words, others): (Vec<&str>, Vec<&str>) =
        kind.split(" or ").partition(|word| word.starts_with('"'));
    let mut forms = Vec::new();
    if !words.is_empty() {
        let words: Vec<&str> = words.iter().map(|word| word.trim_matches('"')).collect();
        forms.push(json!({ "type": "string", "enum": words }));
    }
    forms.extend(others.into_iter().map(|word| form(word, key.path)));
    forms
}

/// One alternative. A word that is not known takes nothing, so that a test
/// of any unit tells.
fn form(word: &str, path: &str) -> Value {
    let name = path.rsplit('.').next().unwrap_or(path);
    let neighbour = ["requires", "wants", "after", "before", "conflicts"].contains(&name);
    let (name_form, path_form) = (
        if neighbour { "neighbour" } else { "name" },
        if name == "environment-file" { "path-maybe" } else { "path" },
    );
    match word {
        "string" => json!({ "type": "string" }),
        "boolean" => json!({ "type": "boolean" }),
        "integer" => json!({ "type": "integer" }),
        "number" => json!({ "type": "number" }),
        "table" | "empty table" => Value::Object(table(path)),
        "table of strings" => json!({
            "type": "object",
            "propertyNames": refer("variable"),
            "additionalProperties": { "type": "string" },
        }),
        "table of states and sets" => json!({
            "type": "object",
            "patternProperties": { "^x-": {} },
            "additionalProperties": { "anyOf": [
                refer("state"),
                list(&refer("state")),
                {
                    "type": "object",
                    "properties": { "not": {
                        "description": "All but these.",
                        "anyOf": [refer("state"), list(&refer("state"))],
                    } },
                    "required": ["not"],
                },
            ] },
        }),
        "array of tables" if path == "condition" => list(&refer("condition")),
        "list of tables" if path == "action.on-fail" => list(&refer("on-fail")),
        "array of tables" | "list of tables" => list(&refer("action")),
        "list of strings" => json!({
            "type": "array", "items": { "type": "string" }, "minItems": 1,
        }),
        "duration" => refer("duration"),
        "list of durations" => list(&refer("duration")),
        "signal" => refer("signal"),
        "absolute path" => refer(path_form),
        "list of absolute paths" => list(&refer(path_form)),
        "relative path" => refer("relative-path"),
        "list of relative paths" => list(&refer("relative-path")),
        "name" => refer(name_form),
        "list of names" => list(&refer(name_form)),
        "user" | "group" => refer("account"),
        "list of groups" => list(&refer("account")),
        "octal number" => refer("octal"),
        "list of variables" => list(&refer("variable")),
        "list of processors" => list(&refer("processor")),
        "list of capabilities" => list(&refer("capability")),
        "list of exit codes and signals" => list(&refer("end")),
        "list of settings" => {
            let words = Setting::ALL.map(|(_, word)| word);
            list(&json!({ "type": "string", "enum": words }))
        }
        "condition" => {
            let words = ConditionKind::ALL.map(|(_, word)| word);
            json!({ "type": "string", "enum": words })
        }
        "state" => refer("state"),
        "list of states" => list(&refer("state")),
        _ => json!(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KEYS;

    #[test]
    fn every_kind_is_known() {
        for key in KEYS {
            assert!(!of(key).is_empty() && !of(key).contains(&json!(false)), "{}", key.kind);
        }
    }
}
