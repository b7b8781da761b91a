//! The codes of all diagnostics, each with what it means. Scripts match on
//! them, so a code is never given a new meaning; `ham.unit(5)` lists them.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: &str = $code;)+

        /// Every code, with its meaning in one line.
        pub const ALL: &[(&str, &str)] = &[$(($code, concat!($($doc),+))),+];
    };
}

codes! {
    /// The text is not TOML.
    SYNTAX = "ham::unit::syntax";
    /// The text uses TOML newer than 1.0, which editors and other readers do not know yet.
    NEWER_TOML = "ham::unit::newer-toml";
    /// A key that does not exist there.
    UNKNOWN_KEY = "ham::unit::unknown-key";
    /// A value of another type than the key takes.
    WRONG_TYPE = "ham::unit::wrong-type";
    /// A key that must be there is not.
    MISSING_KEY = "ham::unit::missing-key";
    /// A value that the key does not take.
    BAD_VALUE = "ham::unit::bad-value";
    /// A duration that cannot be read.
    BAD_DURATION = "ham::unit::bad-duration";
    /// No signal has this name.
    BAD_SIGNAL = "ham::unit::bad-signal";
    /// A name of an entity, condition or action with characters that names do not have.
    BAD_NAME = "ham::unit::bad-name";
    /// A path that is not absolute, or cannot be one.
    BAD_PATH = "ham::unit::bad-path";
    /// A `{…}` that is not known, or a brace that stands alone.
    BAD_PLACEHOLDER = "ham::unit::bad-placeholder";
    /// A command that is empty or cannot be split into words.
    BAD_COMMAND = "ham::unit::bad-command";
    /// A name that no environment variable can have.
    BAD_VARIABLE = "ham::unit::bad-variable";
    /// No such user or group.
    UNKNOWN_USER = "ham::unit::unknown-user";
    /// The user database could not be asked.
    USER_LOOKUP = "ham::unit::user-lookup";
    /// An action, an order, or a condition names an entity that does not exist.
    UNKNOWN_ENTITY = "ham::unit::unknown-entity";
    /// A unit requires one that is refused, or has a condition of it.
    REQUIRES_REFUSED = "ham::unit::requires-refused";
    /// Units that each start after the next, in a circle.
    CIRCLE = "ham::unit::circle";
    /// A size that cannot be read.
    BAD_SIZE = "ham::unit::bad-size";
    /// No capability has this name.
    BAD_CAPABILITY = "ham::unit::bad-capability";
    /// Two things that exclude each other.
    CONFLICT = "ham::unit::conflict";
    /// A name that is already in use.
    DUPLICATE_NAME = "ham::unit::duplicate-name";
    /// More of something than ham is laid out for.
    TOO_MANY = "ham::unit::too-many";
    /// Warning: nothing is done when the entity dies.
    UNSUPERVISED = "ham::unit::unsupervised";
    /// Warning: a word that changes nothing.
    NO_EFFECT = "ham::unit::no-effect";
    /// Warning: a condition without actions, or a global unit without any.
    NO_ACTIONS = "ham::unit::no-actions";
    /// Warning: nothing is done when the heartbeat stays away.
    UNANSWERED = "ham::unit::unanswered";
    /// Warning: a condition on a heartbeat that does not exist.
    NO_HEARTBEAT = "ham::unit::no-heartbeat";
    /// Warning: the program is not there or cannot be executed.
    COMMAND_NOT_FOUND = "ham::unit::command-not-found";
    /// Warning: a word that only a shell would understand.
    SHELL_SYNTAX = "ham::unit::shell-syntax";
    /// Warning: the machine whose init is ham has no hardware watchdog, or not the one named.
    NO_WATCHDOG = "ham::unit::no-watchdog";
    /// Warning: a hardware watchdog that is faster than ham can replace who hangs.
    SHORT_WATCHDOG = "ham::unit::short-watchdog";
    /// A file or directory that others may change.
    UNSAFE_PERMISSIONS = "ham::unit::unsafe-permissions";
    /// A file or directory that cannot be read.
    UNREADABLE = "ham::unit::unreadable";
    /// A file that is not UTF-8.
    NOT_UTF8 = "ham::unit::not-utf8";
    /// A file with nothing in it.
    EMPTY = "ham::unit::empty";
    /// A file that is too large to be a unit.
    TOO_LARGE = "ham::unit::too-large";
    /// No search directory exists.
    NO_DIRECTORY = "ham::unit::no-directory";
    /// Warning: a drop-in for a unit that does not exist.
    NO_UNIT = "ham::unit::no-unit";
    /// An instance, and no template that it could be one of.
    NO_TEMPLATE = "ham::unit::no-template";
    /// Note: a template, which by itself is no entity.
    TEMPLATE = "ham::unit::template";
    /// Note: the file has more mistakes than are shown.
    MORE = "ham::unit::more";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn codes_are_unique_and_explained() {
        for (place, (code, meaning)) in ALL.iter().enumerate() {
            assert!(code.starts_with("ham::unit::"), "{code}");
            assert!(meaning.ends_with('.'), "{code}: {meaning}");
            assert!(ALL.iter().skip(place + 1).all(|(other, _)| other != code), "{code}");
        }
    }
}
