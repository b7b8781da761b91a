//! `capabilities`: what of root's power a process has.

use crate::codes;
use crate::reader::{Field, Reader};
use crate::suggest::{nearest, quoted};
use ham_core::plan::Capabilities;

/// The capabilities of <linux/capability.h> up to Linux 6.18, each at the
/// place of its number.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The name of a capability, without `CAP_`; `None`: none of that number is
/// known.
pub fn capability_name(number: u32) -> Option<&'static str> {
    NAMES.get(usize::try_from(number).ok()?).copied()
}

/// The bit of a capability, by its name with or without `CAP_`, in any case.
fn parse(text: &str) -> Option<u64> {
    let word = bare(text);
    let number = NAMES.iter().position(|name| *name == word)?;
    1u64.checked_shl(u32::try_from(number).ok()?)
}

fn bare(text: &str) -> String {
    let upper = text.trim().to_ascii_uppercase();
    upper.strip_prefix("CAP_").map_or(upper.clone(), str::to_owned)
}

impl Reader<'_> {
    /// The table `capabilities`.
    pub(crate) fn capabilities(&mut self, field: &Field<'_>) -> Option<Capabilities> {
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("entity.capabilities", "in `capabilities`", entries, field.span());
        let bounding = match self.find(&table, "bounding") {
            Some(list) => Some(self.capability_mask(&list)?),
            None => None,
        };
        let Some(list) = self.find(&table, "ambient") else {
            return Some(Capabilities { bounding, ambient: 0 });
        };
        let ambient = self.capability_mask(&list)?;
        let beyond = bounding.map_or(0, |bounding| ambient & !bounding);
        if let Some(name) = first_name(beyond) {
            let message = format!("`{name}` in `ambient`, but not in `bounding`");
            self.error(codes::CONFLICT, list.span(), message)
                .help("`bounding` is all that the process can ever have");
            return None;
        }
        Some(Capabilities { bounding, ambient })
    }

    fn capability_mask(&mut self, field: &Field<'_>) -> Option<u64> {
        let Some(items) = field.as_array() else { return self.wrong_type(field) };
        let mut mask = Some(0u64);
        for item in items {
            let item = field.item(item);
            let bit = self.string(&item).and_then(|text| self.capability(&item, text));
            mask = mask.and_then(|mask| bit.map(|bit| mask | bit));
        }
        mask
    }

    fn capability(&mut self, field: &Field<'_>, text: &str) -> Option<u64> {
        let bit = parse(text);
        if bit.is_none() {
            let near = nearest(&bare(text), NAMES);
            let message = format!("no capability {}", quoted(text));
            let added = self.error(codes::BAD_CAPABILITY, field.span(), message);
            if let Some(near) = near {
                added.label(format!("did you mean `{near}`?"));
            }
            added.help("write a name of capabilities(7), with or without CAP_");
        }
        bit
    }
}

/// The name of the lowest capability of a mask.
fn first_name(mask: u64) -> Option<&'static str> {
    let number = usize::try_from(mask.trailing_zeros()).ok()?;
    NAMES.get(number).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_the_numbers_of_the_kernel() {
        assert_eq!(parse("CHOWN"), Some(1));
        assert_eq!(parse("cap_net_bind_service"), Some(1 << 10));
        assert_eq!(parse("Sys_Admin"), Some(1 << 21));
        assert_eq!(parse("CAP_CHECKPOINT_RESTORE"), Some(1 << 40));
        assert_eq!(parse("NET_BIND"), None);
        assert_eq!(parse("CAP_"), None);
        assert_eq!(first_name(1 << 10), Some("NET_BIND_SERVICE"));
        assert_eq!(first_name(0), None);
    }
}
