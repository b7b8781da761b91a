//! A user database for tests: two users, three groups, and a server that does
//! not answer.

use ham_unit::{UserEntry, Users};

/// `audio`, `root`, and for `far` an error.
#[derive(Debug)]
pub(crate) struct FakeUsers;

const DOWN: &str = "could not ask getent: no answer within 5 s";

impl Users for FakeUsers {
    fn user(&self, name_or_id: &str) -> Result<Option<UserEntry>, String> {
        let (name, uid, gid, home) = match name_or_id {
            "audio" | "100" => ("audio", 100, 29, "/var/audio"),
            "root" | "0" => ("root", 0, 0, "/root"),
            "far" => return Err(DOWN.to_owned()),
            _ => return Ok(None),
        };
        let (home, shell) = (home.to_owned(), "/bin/sh".to_owned());
        Ok(Some(UserEntry { name: name.to_owned(), uid, gid, home, shell }))
    }

    fn group(&self, name_or_id: &str) -> Result<Option<u32>, String> {
        match name_or_id {
            "audio" => Ok(Some(29)),
            "dial" => Ok(Some(20)),
            "root" => Ok(Some(0)),
            "far" => Err(DOWN.to_owned()),
            _ => Ok(None),
        }
    }

    fn groups_of(&self, user: &str) -> Result<Vec<u32>, String> {
        Ok(if user == "audio" { vec![20, 29, 46] } else { Vec::new() })
    }

    fn user_names(&self) -> Vec<String> {
        vec!["audio".to_owned(), "root".to_owned()]
    }

    fn group_names(&self) -> Vec<String> {
        vec!["audio".to_owned(), "dial".to_owned(), "root".to_owned()]
    }
}
