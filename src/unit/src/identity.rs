//! `user`, `group` and `groups` of a unit, resolved to numbers.

use crate::codes;
use crate::names::{self, Named};
use crate::reader::{Field, Reader, Table};
use crate::suggest::{nearest, quoted};
use crate::users::{UserEntry, number};
use ham_core::plan::Identity;
use toml::de::DeValue;

/// The most groups that a process can have (NGROUPS_MAX of <linux/limits.h>).
const MAX_GROUPS: usize = 65_536;

/// A user of a unit.
#[derive(Clone, Debug)]
enum User {
    Known(UserEntry),
    /// A number that no database has.
    Number(u32),
}

impl Reader<'_> {
    /// The identity of `[entity]`; `None` when none is given (or it is wrong,
    /// which has been reported).
    pub(crate) fn identity(&mut self, table: &Table<'_>) -> Option<Identity> {
        let user_field = self.find(table, "user");
        let group_field = self.find(table, "group");
        let groups_field = self.find(table, "groups");
        let user = user_field.as_ref().map(|field| (field, self.user(field)));
        let gid = group_field.as_ref().map(|field| self.group(field));
        let groups = groups_field.as_ref().map(|field| self.groups(field));
        let user = match user {
            Some((field, user)) => Some((field, user?)),
            None if gid.is_none() && groups.is_none() => return None,
            None => None,
        };
        let groups = match groups {
            Some(groups) => Some(groups?),
            None => None,
        };
        let gid = match (gid, &user) {
            (Some(gid), _) => gid?,
            (None, Some((_, User::Known(entry)))) => entry.gid,
            (None, Some((field, User::Number(uid)))) => {
                let message = format!("no user has the number {uid}, so its group is not known");
                let help = "set `group` too";
                self.error(codes::MISSING_KEY, field.span(), message).help(help);
                return None;
            }
            (None, None) => {
                let message = "`groups` without `user` or `group`";
                let help = "set `group` too";
                self.error(codes::MISSING_KEY, table.span.clone(), message).help(help);
                return None;
            }
        };
        let groups = match (groups, &user) {
            (Some(groups), _) => groups,
            (None, Some((field, User::Known(entry)))) => self.groups_of(field, entry, gid)?,
            (None, Some((_, User::Number(_))) | None) => Vec::new(),
        };
        Some(match user {
            Some((_, User::Known(entry))) => with(entry, gid, groups),
            Some((_, User::Number(uid))) => numbers_only(uid, gid, groups),
            None => numbers_only(self.settings.euid, gid, groups),
        })
    }

    /// The identity that a lone `user` stands for.
    pub(crate) fn identity_of(&mut self, field: &Field<'_>) -> Option<Identity> {
        match self.user(field)? {
            User::Known(entry) => {
                let groups = self.groups_of(field, &entry, entry.gid)?;
                let gid = entry.gid;
                Some(with(entry, gid, groups))
            }
            User::Number(uid) => self.nobody(field, &uid.to_string(), "user"),
        }
    }

    /// The number of a lone user.
    pub(crate) fn uid_of(&mut self, field: &Field<'_>) -> Option<u32> {
        match self.user(field)? {
            User::Known(entry) => Some(entry.uid),
            User::Number(uid) => Some(uid),
        }
    }

    fn groups_of(&mut self, field: &Field<'_>, entry: &UserEntry, gid: u32) -> Option<Vec<u32>> {
        match self.settings.users.groups_of(&entry.name) {
            Ok(mut groups) => {
                groups.retain(|group| *group != gid);
                Some(groups)
            }
            Err(why) => self.lookup_failed(field, &entry.name, why),
        }
    }

    /// A name, or a number as string or integer.
    fn name_or_number(&mut self, field: &Field<'_>) -> Option<String> {
        if matches!(field.value.get_ref(), DeValue::Integer(_)) {
            return self.integer(field, 0..=4_294_967_294).map(|number| number.to_string());
        }
        let text = self.string(field)?;
        if text.is_empty() {
            let message = format!("`{}` is empty", field.name);
            self.error(codes::BAD_VALUE, field.span(), message);
            return None;
        }
        Some(text.to_owned())
    }

    fn user(&mut self, field: &Field<'_>) -> Option<User> {
        let name = self.name_or_number(field)?;
        match self.settings.users.user(&name) {
            Ok(Some(entry)) => Some(User::Known(entry)),
            Ok(None) => match number(&name) {
                Some(uid) => Some(User::Number(uid)),
                None => self.nobody(field, &name, "user"),
            },
            Err(why) => self.lookup_failed(field, &name, why),
        }
    }

    pub(crate) fn group(&mut self, field: &Field<'_>) -> Option<u32> {
        let name = self.name_or_number(field)?;
        match self.settings.users.group(&name) {
            Ok(Some(gid)) => Some(gid),
            Ok(None) => match number(&name) {
                Some(gid) => Some(gid),
                None => self.nobody(field, &name, "group"),
            },
            Err(why) => self.lookup_failed(field, &name, why),
        }
    }

    fn groups(&mut self, field: &Field<'_>) -> Option<Vec<u32>> {
        let Some(items) = field.as_array() else { return self.wrong_type(field) };
        if items.len() > MAX_GROUPS {
            let message = format!("more than {MAX_GROUPS} groups");
            self.error(codes::TOO_MANY, field.key_span.clone(), message);
            return None;
        }
        let groups: Vec<Option<u32>> =
            items.iter().map(|item| self.group(&field.item(item))).collect();
        groups.into_iter().collect()
    }

    fn nobody<T>(&mut self, field: &Field<'_>, name: &str, what: &str) -> Option<T> {
        let message = format!("no {what} {}", quoted(name));
        let users = self.settings.users;
        let (known, made_by) = match what {
            "user" => (users.user_names(), "useradd"),
            _ => (users.group_names(), "groupadd"),
        };
        let added = self.error(codes::UNKNOWN_USER, field.span(), message);
        if let Some(near) = nearest(name, known.iter().map(String::as_str)) {
            added.label(format!("did you mean `{near}`?"));
            return None;
        }
        added.label("not found");
        if number(name).is_none() && names::refuse(name, Named::Action).is_none() {
            added.help(format!("mend the name, or make it first: {made_by} --system {name}"));
        }
        None
    }

    fn lookup_failed<T>(&mut self, field: &Field<'_>, name: &str, why: String) -> Option<T> {
        let message = format!("could not look up {}: {why}", quoted(name));
        self.error(codes::USER_LOOKUP, field.span(), message);
        None
    }
}

fn with(entry: UserEntry, gid: u32, groups: Vec<u32>) -> Identity {
    Identity { uid: entry.uid, gid, groups, user: entry.name, home: entry.home, shell: entry.shell }
}

fn numbers_only(uid: u32, gid: u32, groups: Vec<u32>) -> Identity {
    let none = String::new;
    Identity { uid, gid, groups, user: none(), home: none(), shell: none() }
}
