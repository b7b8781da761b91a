//! Users and groups by name: `/etc/passwd` and `/etc/group` are read, never
//! through NSS, which can hang and which static programs do not have. Names
//! that are not there are asked of `getent` in a child with a deadline.

use crate::getent::Getent;
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// One line of a user database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEntry {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// Where users and groups are looked up.
pub trait Users: std::fmt::Debug {
    /// A user by name or number; `None` when there is none.
    ///
    /// # Errors
    /// When the database cannot be asked, with the reason.
    fn user(&self, name_or_id: &str) -> Result<Option<UserEntry>, String>;

    /// The id of a group by name or number; `None` when there is none.
    ///
    /// # Errors
    /// When the database cannot be asked, with the reason.
    fn group(&self, name_or_id: &str) -> Result<Option<u32>, String>;

    /// The groups that list this user as a member, in ascending order;
    /// without the primary one unless that lists the user too.
    ///
    /// # Errors
    /// When the database cannot be asked, with the reason: a process must not
    /// lose groups by that.
    fn groups_of(&self, user: &str) -> Result<Vec<u32>, String>;

    /// Whether an answer since the last call of this depends on more than the
    /// files of this machine: it may be another one the next time, and nothing
    /// tells of that.
    fn asked_elsewhere(&self) -> bool {
        false
    }

    /// Names of users that are known without asking anybody, for suggestions.
    fn user_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// Likewise those of groups.
    fn group_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The databases of this machine.
#[derive(Debug)]
pub struct SystemUsers {
    etc: PathBuf,
    getent: Getent,
    asked: Cell<bool>,
}

impl Default for SystemUsers {
    fn default() -> SystemUsers {
        SystemUsers::new()
    }
}

impl SystemUsers {
    /// `/etc` and `getent`.
    #[must_use]
    pub fn new() -> SystemUsers {
        SystemUsers::at(Path::new("/etc"), Getent::system())
    }

    fn at(etc: &Path, getent: Getent) -> SystemUsers {
        SystemUsers { etc: etc.to_owned(), getent, asked: Cell::new(false) }
    }

    fn ask(&self, database: &'static str, key: &str) -> Result<String, String> {
        self.asked.set(true);
        self.getent.ask(database, key)
    }

    fn local_user(&self, name_or_id: &str) -> Result<Option<UserEntry>, String> {
        let text = read(&self.etc.join("passwd"))?;
        let users = || text.lines().filter_map(parse_user);
        Ok(users()
            .find(|user| user.name == name_or_id)
            .or_else(|| users().find(|user| Some(user.uid) == number(name_or_id))))
    }
}

impl Users for SystemUsers {
    fn user(&self, name_or_id: &str) -> Result<Option<UserEntry>, String> {
        if let Some(user) = self.local_user(name_or_id)? {
            return Ok(Some(user));
        }
        let answer = self.ask("passwd", name_or_id)?;
        Ok(answer.lines().find_map(parse_user))
    }

    fn group(&self, name_or_id: &str) -> Result<Option<u32>, String> {
        let text = read(&self.etc.join("group"))?;
        let groups = || text.lines().filter_map(parse_group);
        let local = groups()
            .find(|group| group.name == name_or_id)
            .or_else(|| groups().find(|group| Some(group.gid) == number(name_or_id)));
        if let Some(group) = local {
            return Ok(Some(group.gid));
        }
        let answer = self.ask("group", name_or_id)?;
        Ok(answer.lines().find_map(parse_group).map(|group| group.gid))
    }

    fn groups_of(&self, user: &str) -> Result<Vec<u32>, String> {
        let text = read(&self.etc.join("group"))?;
        let mut groups: Vec<u32> = text
            .lines()
            .filter_map(parse_group)
            .filter(|group| group.members.contains(&user))
            .map(|group| group.gid)
            .collect();
        // A user of another database has groups there; a local one is not
        // worth a process that may hang.
        if self.local_user(user)?.is_none() {
            let answer = self.ask("initgroups", user)?;
            groups.extend(answer.split_whitespace().skip(1).filter_map(number));
        }
        groups.sort_unstable();
        groups.dedup();
        Ok(groups)
    }

    fn asked_elsewhere(&self) -> bool {
        self.asked.replace(false)
    }

    fn user_names(&self) -> Vec<String> {
        let text = read(&self.etc.join("passwd")).unwrap_or_default();
        text.lines().filter_map(parse_user).map(|user| user.name).collect()
    }

    fn group_names(&self) -> Vec<String> {
        let text = read(&self.etc.join("group")).unwrap_or_default();
        text.lines().filter_map(parse_group).map(|group| group.name.to_owned()).collect()
    }
}

/// The text of a database; an absent one is empty (containers without users).
fn read(path: &Path) -> Result<String, String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("could not read {}: {error}", path.display())),
    }
}

/// A number as ids are written: digits only, and not (uid_t)-1, which means
/// "no change" to setresuid(2).
pub(crate) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number != u32::MAX)
}

/// passwd(5). Lines of NIS (`+name`) and damaged ones are no users.
fn parse_user(line: &str) -> Option<UserEntry> {
    let mut fields = line.split(':');
    let name =
        fields.next().filter(|name| !name.is_empty() && !name.starts_with(['+', '-', '#']))?;
    let uid = number(fields.nth(1)?)?;
    let gid = number(fields.next()?)?;
    let home = fields.nth(1)?.to_owned();
    let shell = fields.next().unwrap_or_default().to_owned();
    Some(UserEntry { name: name.to_owned(), uid, gid, home, shell })
}

struct Group<'t> {
    name: &'t str,
    gid: u32,
    members: Vec<&'t str>,
}

/// group(5).
fn parse_group(line: &str) -> Option<Group<'_>> {
    let mut fields = line.split(':');
    let name =
        fields.next().filter(|name| !name.is_empty() && !name.starts_with(['+', '-', '#']))?;
    let gid = number(fields.nth(1)?)?;
    let members = fields.next().unwrap_or_default().split(',').map(str::trim).collect();
    Some(Group { name, gid, members })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::getent::tests::script;
    use std::time::Duration;

    /// A directory that is removed at the end.
    struct Etc(PathBuf);

    impl Etc {
        fn new(name: &str) -> Etc {
            let path =
                std::env::temp_dir().join(format!("ham-users-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(
                path.join("passwd"),
                "# comment\nroot:x:0:0:root:/root:/bin/sh\nbroken\n+nis\n42:x:7:7::/:/x\n\
                 audio:x:100:29::/var/audio:\n",
            )
            .unwrap();
            std::fs::write(
                path.join("group"),
                "root:x:0:\naudio:x:29:\nplug:x:46:root,audio\ndial:x:20:audio\n",
            )
            .unwrap();
            Etc(path)
        }
    }

    impl Drop for Etc {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_are_asked_first_by_name_then_by_number() {
        let etc = Etc::new("files");
        let users = SystemUsers::at(&etc.0, Getent::at("/nonexistent", Duration::from_secs(5)));
        let audio = users.user("audio").unwrap().unwrap();
        assert_eq!((audio.uid, audio.gid, audio.home.as_str()), (100, 29, "/var/audio"));
        assert_eq!(users.user("100").unwrap().unwrap().name, "audio");
        assert_eq!(users.user("42").unwrap().unwrap().uid, 7, "a name of digits wins");
        assert_eq!(users.user("nobody-here").unwrap(), None);
        assert_eq!(users.group("plug").unwrap(), Some(46));
        assert_eq!(users.group("46").unwrap(), Some(46));
        assert_eq!(users.groups_of("audio").unwrap(), [20, 46]);
        assert!(users.asked_elsewhere(), "for who is not there");
        users.user("audio").unwrap();
        assert!(!users.asked_elsewhere());
    }

    #[test]
    fn other_databases_are_asked_through_a_child() {
        let etc = Etc::new("getent");
        let program = script(
            &etc.0,
            "case $1 in passwd) echo ldap:x:5000:5001::/home/ldap:/bin/sh;; \
             group) echo far:x:5002:;; initgroups) echo ldap 5002 5003;; esac",
        );
        let users = SystemUsers::at(&etc.0, Getent::at(&program, Duration::from_secs(20)));
        assert_eq!(users.user("ldap").unwrap().unwrap().uid, 5000);
        assert_eq!(users.group("far").unwrap(), Some(5002));
        assert_eq!(users.groups_of("ldap").unwrap(), [5002, 5003]);
        assert!(users.asked_elsewhere());
    }

    /// Or its process would start without them.
    #[test]
    fn groups_that_cannot_be_asked_for_are_not_left_out() {
        let etc = Etc::new("no-groups");
        let program = script(
            &etc.0,
            "case $1 in passwd) echo ldap:x:5000:5001::/:/bin/sh;; *) exit 9;; esac",
        );
        let users = SystemUsers::at(&etc.0, Getent::at(&program, Duration::from_secs(20)));
        assert_eq!(users.user("ldap").unwrap().unwrap().uid, 5000);
        let why = users.groups_of("ldap").unwrap_err();
        assert!(why.contains("exit code 9"), "{why}");
    }

    #[test]
    fn ids_are_numbers_and_not_minus_one() {
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("+1"), None);
        assert_eq!(number("4294967295"), None);
        assert_eq!(number(""), None);
    }
}
