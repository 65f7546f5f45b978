//! The JSON schema of a file, for editors: they complete keys, show what each one says, and mark what is ill-formed.

use serde_json::{Map, Value, json};

use super::{Form, Key, Table};

/// The schema of a file (JSON Schema, draft 7, which TOML editors understand).
#[must_use]
pub fn schema(file: &Table, title: &str) -> Value {
    let mut schema = table(file);
    schema.insert(
        "$schema".to_owned(),
        json!("http://json-schema.org/draft-07/schema#"),
    );
    schema.insert("title".to_owned(), json!(title));
    Value::Object(schema)
}

fn table(table: &Table) -> Map<String, Value> {
    let keys = table.keys.iter().map(|key| (key.name.to_owned(), property(key)));
    let required = table.keys.iter().filter(|key| key.default.is_none());
    let required: Vec<&str> = required.map(|key| key.name).collect();
    let mut out = Map::new();
    out.insert("type".to_owned(), json!("object"));
    out.insert("description".to_owned(), json!(table.doc));
    out.insert("additionalProperties".to_owned(), json!(false));
    out.insert("properties".to_owned(), Value::Object(keys.collect()));
    if !required.is_empty() {
        out.insert("required".to_owned(), json!(required));
    }
    out
}

fn property(key: &Key) -> Value {
    let mut out = form(&key.form);
    let doc = match key.default {
        Some(default) => format!("{} Without it: {default}.", key.doc),
        None => key.doc.to_owned(),
    };
    out.insert("description".to_owned(), json!(doc));
    Value::Object(out)
}

fn form(form: &Form) -> Map<String, Value> {
    let value = match form {
        Form::Name => json!({ "type": "string", "pattern": "^[a-z][a-z0-9-]{0,30}$" }),
        Form::Text => json!({ "type": "string" }),
        Form::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Form::Address => json!({ "type": "integer", "minimum": 0 }),
        Form::Size => {
            let text = json!({ "type": "string", "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB)$" });
            json!({ "anyOf": [text, { "type": "integer", "minimum": 0 }] })
        }
        Form::Duration => json!({ "type": "string", "pattern": "^[0-9]+ ?(us|ms|s)$" }),
        Form::Uuid => {
            let pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";
            json!({ "type": "string", "pattern": pattern })
        }
        Form::Digest => json!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" }),
        Form::Flag => json!({ "type": "boolean" }),
        Form::Words(words) => json!({ "type": "string", "enum": words() }),
        Form::Each(each) => json!({ "type": "array", "items": self::form(each) }),
        Form::Table(inner) => return table(inner),
        Form::Any(forms) => {
            let forms: Vec<_> = forms.iter().map(self::form).collect();
            json!({ "anyOf": forms })
        }
    };
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
