//! Octal numbers and sizes.

use crate::codes;
use crate::reader::{Field, Reader};
use toml::de::DeValue;

/// Units of sizes. Only those of 1024: `MB` means two things.
const UNITS: [(&str, u32); 6] =
    [("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("PiB", 50)];

/// A size in bytes; without a unit, a number of bytes. The error says what is
/// wrong.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    if number.is_empty() {
        return Err("not a number with a unit".to_owned());
    }
    let shift = match UNITS.iter().find(|(known, _)| *known == unit) {
        Some((_, shift)) => *shift,
        None if unit.is_empty() => 0,
        None => {
            let letter = unit.chars().next().map(|first| first.to_ascii_uppercase());
            let near = UNITS.iter().find(|(known, _)| known.chars().next() == letter);
            return Err(match near {
                Some((near, _)) => format!("unknown unit `{unit}`, did you mean `{near}`?"),
                None => format!("unknown unit `{unit}`"),
            });
        }
    };
    let number: Option<u64> = number.parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(1u64.checked_shl(shift)?));
    // The largest number stands for "infinity".
    bytes.filter(|bytes| *bytes < u64::MAX).ok_or_else(|| "too large a number".to_owned())
}

impl Reader<'_> {
    /// `"0027"` or `0o027`, up to `most`. A decimal number is refused:
    /// `umask = 27` would be 0o033. `example` is written in the help.
    pub(crate) fn octal(&mut self, field: &Field<'_>, most: u32, example: &str) -> Option<u32> {
        let (digits, octal) = match field.value.get_ref() {
            DeValue::String(text) => (text.as_ref(), true),
            DeValue::Integer(integer) => {
                (integer.as_str(), integer.radix() == 8 || integer.as_str() == "0")
            }
            DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return self.wrong_type(field),
        };
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let value = u32::from_str_radix(digits, 8).ok().filter(|value| plain && *value <= most);
        if octal && value.is_some() {
            return value;
        }
        let message = format!("`{}` is no octal number", field.name);
        let added = self.error(codes::BAD_VALUE, field.span(), message);
        added.label(format!("must be 0 to 0o{most:o}"));
        let digits = example.trim_start_matches('0');
        added.help(format!("write \"{example}\" or 0o{digits:0>3}"));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size(" 1 GiB "), Ok(1 << 30));
        assert_eq!(parse_size("0"), Ok(0));
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("512B"), Ok(512));
        for wrong in ["", "MiB", "1.5GiB", "-1", "64MB", "64M", "64 kib", "99999999999PiB", "0x10"]
        {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert!(parse_size("18446744073709551615").is_err());
        assert!(parse_size("64MB").is_err_and(|why| why.contains("`MiB`")));
    }
}
