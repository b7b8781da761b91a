//! Pages about files and directories as a whole, and about the machine.

use super::{
    Example::{Commands, Machine},
    Page,
};
use crate::codes;

pub(super) const PAGES: &[Page] = &[
    Page {
        code: codes::NO_WATCHDOG,
        about: "Ham watches over entities, and its reaper, monitor and guardian over each other; \
                over the kernel only hardware does. On a machine whose init is ham nobody else \
                would start it anew when it hangs. The driver of a board's watchdog is usually \
                part of its kernel, or a module such as iTCO_wdt or i6300esb; softdog at least \
                notices when nothing runs any longer. [watchdog] in ham.conf names the device, \
                and ham feeds it while all of it is alive; one that is named and not there is \
                tried again, and warned of everywhere. In containers, and where another init \
                runs ham, no other is asked for.",
        example: Machine("ls /dev/watchdog*  # no such file", "modprobe softdog"),
    },
    Page {
        code: codes::SHORT_WATCHDOG,
        about: "The timeout of [watchdog] in ham.conf is below ten seconds. When the monitor \
                hangs it is ended after six, and its guardian takes over; should that hang as well, two \
                more pass. No entity notices any of it. A watchdog that is faster starts the \
                machine anew instead, with all its entities. Where that is what is wanted, this \
                can be ignored.",
        example: Commands(
            "printf '[watchdog]\\ndevice = \"/dev/watchdog0\"\\ntimeout = \"5s\"\\n' >ham.conf",
            "sed -i 's/5s/30s/' ham.conf",
        ),
    },
    Page {
        code: codes::UNSAFE_PERMISSIONS,
        about: "A unit runs commands as any user, so who may write it may do all that ham may. \
                Files and directories that do not belong to root or to the user of the manager, \
                or that everybody may write, are refused; in the directories of the system also \
                those that their group may write.",
        example: Commands("chmod 666 audio.toml", "chmod 644 audio.toml"),
    },
    Page {
        code: codes::UNREADABLE,
        about: "It is a link that leads to nothing, or a FIFO, or the manager's user may not \
                read it; the message has the kernel's reason. To switch a unit off, remove it or \
                link it to /dev/null.",
        example: Commands(
            "ln -s /nonexistent/mixer.toml mixer.toml",
            "ln -sf /dev/null mixer.toml",
        ),
    },
    Page {
        code: codes::NOT_UTF8,
        about: "TOML is UTF-8. The file comes from an editor that writes another encoding, \
                mostly Latin-1; iconv(1) converts it.",
        example: Commands(
            "printf '# Lautst\\344rke\\n' >>audio.toml",
            "iconv -f LATIN1 -t UTF-8 audio.toml >new && mv new audio.toml",
        ),
    },
    Page {
        code: codes::EMPTY,
        about: "It holds blanks at most. Perhaps it was about to be written, or the disk was \
                full. To switch a unit off, remove it or link it to /dev/null.",
        example: Commands(": >audio.toml", "ln -sf /dev/null audio.toml"),
    },
    Page {
        code: codes::TOO_LARGE,
        about: "A unit is at most 1 MiB. Longer ones are no units: perhaps the file is a log or \
                an image by the wrong name.",
        example: Commands(
            "head -c 2000000 /dev/zero | tr '\\0' '#' >>audio.toml",
            "head -n 3 audio.toml >new && mv new audio.toml",
        ),
    },
    Page {
        code: codes::NO_DIRECTORY,
        about: "There is nothing to be loaded then, and perhaps the path is misspelt. Make \
                /etc/ham, or name the directory: hamctl check DIR, ham run --units DIR.",
        example: Commands("mv \"$PWD\" \"$PWD.away\"", "mv \"$PWD.away\" \"$PWD\""),
    },
    Page {
        code: codes::NO_UNIT,
        about: "Drop-ins stand in a directory that is called as their unit is, with .d behind it: \
                those in NAME.toml.d are put over NAME.toml, in whichever of the search \
                directories that is. No unit has this name, so they change nothing. Mostly the \
                name is misspelt, or the unit was removed or renamed.",
        example: Commands(
            "mkdir mixer.toml.d && printf '[entity]\\nnice = 5\\n' >mixer.toml.d/nice.toml",
            "mv mixer.toml.d audio.toml.d",
        ),
    },
    Page {
        code: codes::NO_TEMPLATE,
        about: "The file of an instance, NAME@INSTANCE.toml, may be empty when a template \
                NAME@.toml says what there is to say. There is no such template in any of the \
                search directories, so nobody knows what to run.",
        example: Commands(": >audio@card0.toml", "mv audio.toml audio@.toml"),
    },
    Page {
        code: codes::TEMPLATE,
        about: "A file NAME@.toml is a template: what its instances NAME@INSTANCE have in common, \
                with {instance} for the part that differs. It is no entity by itself, so who \
                checks it alone gets this note, and whatever is wrong with it for any instance. \
                There is an instance when a file NAME@INSTANCE.toml exists (a link to the \
                template will do), when it was enabled, and when another unit names it. Without \
                the @ the file is a unit like any other.",
        example: Commands("mv audio.toml audio@.toml", "mv audio@.toml audio.toml"),
    },
    Page {
        code: codes::MORE,
        about: "So much is wrong with one file that only the first 50 messages are shown. Mend \
                those and check again; or the file is no unit at all.",
        example: Commands(
            "for n in $(seq 60); do echo \"key$n = 1\"; done >>audio.toml",
            "sed -i '/^key/d' audio.toml",
        ),
    },
];
