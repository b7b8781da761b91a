//! Names of systemd's units, and of the entities that they become.

/// A service by the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// With `.service`.
    pub(crate) file: String,
    /// Before `@`, or all.
    pub(crate) prefix: String,
    /// After it; empty for a template.
    pub(crate) instance: Option<String>,
    /// The entity.
    pub(crate) entity: String,
}

impl Name {
    /// Takes a file name apart; none when it is no service.
    pub(crate) fn of(file: &str) -> Option<Name> {
        let stem = file.strip_suffix(".service").filter(|stem| !stem.is_empty())?;
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance.to_owned())),
            None => (stem, None),
        };
        Some(Name {
            file: file.to_owned(),
            prefix: prefix.to_owned(),
            instance,
            entity: entity(stem),
        })
    }

    /// Whether it is one, of which there can be instances.
    pub(crate) fn is_template(&self) -> bool {
        self.instance.as_deref() == Some("")
    }

    /// The template of an instance.
    pub(crate) fn template(&self) -> Option<String> {
        let instance = self.instance.as_ref()?;
        (!instance.is_empty()).then(|| format!("{}@.service", self.prefix))
    }
}

/// The name of an entity: what it cannot hold becomes `_`.
pub(crate) fn entity(stem: &str) -> String {
    let mut at = false;
    let name: String = stem
        .chars()
        .map(|c| match c {
            '@' if !at => {
                at = true;
                '@'
            }
            super::specifiers::INSTANCE => c,
            c if c.is_ascii_alphanumeric() || "_.:-".contains(c) => c,
            _ => '_',
        })
        .collect();
    if name.starts_with(['.', '-', '@']) { format!("_{name}") } else { name }
}

/// systemd-escape(1) undone: `-` is `/`, `\xHH` a byte.
pub(crate) fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let byte = rest.strip_prefix("\\x").and_then(|after| after.get(..2));
        if let Some(byte) = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = rest.get(4..).unwrap_or_default();
            continue;
        }
        match c {
            '-' => bytes.push(b'/'),
            c => bytes.extend(c.to_string().as_bytes()),
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_taken_apart() {
        let plain = Name::of("redis.service").unwrap();
        assert_eq!((plain.prefix.as_str(), plain.instance.as_deref()), ("redis", None));
        let template = Name::of("db@.service").unwrap();
        assert!(template.is_template() && template.template().is_none());
        assert_eq!(template.entity, "db@");
        let instance = Name::of("db@15-main.service").unwrap();
        assert_eq!(instance.template().as_deref(), Some("db@.service"));
        assert_eq!(instance.entity, "db@15-main");
        assert_eq!(Name::of(r"a\x2db@c@d.service").unwrap().entity, "a_x2db@c_d");
        assert!(Name::of("a.socket").is_none() && Name::of(".service").is_none());
    }
}
