//! Whole files: names, templates, drop-ins, and what is wrong in them.

use super::{Name, Outcome, context, import, named, outcomes};

#[test]
fn a_template_keeps_its_instance_open() {
    let text = "[Unit]\nDescription=A %i\nBindsTo=b@%i.service\n[Service]\nUser=%i\n\
                ExecStart=/bin/a --x=%i {b}\nExecStartPre=/bin/c %I {d}\nEnvironment=E=%n\n\
                [Install]\nDefaultInstance=x\nWantedBy=multi-user.target\n";
    let unit = named("a@.service", text);
    assert_eq!(unit.entity, "a@");
    for expected in [
        "description = \"A {instance}\"",
        "requires = \"b@{instance}\"",
        "user = \"{instance}\"",
        "command = [\"/bin/a\", \"--x={instance}\", \"{b}\"]",
        "{ execute = [\"/bin/c\", \"{instance}\", \"{{d}}\"] }",
        "E = \"a@{instance}.service\"",
    ] {
        assert!(unit.text.contains(expected), "{expected}\n{}", unit.text);
    }
    assert!(outcomes(&unit, "ExecStartPre").contains(&Outcome::Approximated));
}

#[test]
fn an_instance_has_it_filled_in() {
    let unit = named("a@x-y.service", "[Service]\nExecStart=/bin/a %i %I\n");
    assert_eq!(unit.entity, "a@x-y");
    assert!(unit.text.contains("command = [\"/bin/a\", \"x-y\", \"x/y\"]"), "{}", unit.text);
}

#[test]
fn drop_ins_count_after_the_file() {
    let texts = [
        ("a.service", "[Service]\nExecStart=/bin/a\nNice=1\nEnvironment=A=1\n"),
        (
            "a.service.d/1.conf",
            "[Service]\nExecStart=\nExecStart=/bin/b\nNice=2\nEnvironment=B=2\n",
        ),
    ];
    let texts = texts.map(|(file, text)| (file.to_owned(), text.to_owned()));
    let unit = import(&Name::of("a.service").unwrap(), &texts, &context());
    assert!(unit.text.starts_with("# From a.service and a.service.d/1.conf.\n"), "{}", unit.text);
    for expected in ["command = \"/bin/b\"", "nice = 2", "environment = { A = \"1\", B = \"2\" }"] {
        assert!(unit.text.contains(expected), "{expected}\n{}", unit.text);
    }
    let lines: Vec<String> = unit.entries.iter().map(ToString::to_string).collect();
    for expected in [
        "a.service:2: ExecStart=: no meaning here: a.service.d/1.conf:2 drops what was before it",
        "a.service:3: Nice=: no meaning here: a.service.d/1.conf:4 says otherwise",
        "a.service.d/1.conf:4: Nice=: translated: `nice`",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{lines:#?}");
    }
}

#[test]
fn other_names_of_others_are_known() {
    let mut context = context();
    context.aliases.insert("mysql.service".to_owned(), "mariadb.service".to_owned());
    let text = "[Unit]\nAfter=mysql.service\n[Service]\nExecStart=/bin/a\n";
    let texts = [("a.service".to_owned(), text.to_owned())];
    let unit = import(&Name::of("a.service").unwrap(), &texts, &context);
    assert!(unit.text.contains("after = \"mariadb?\""), "{}", unit.text);
}

#[test]
fn what_cannot_be_read_is_told_and_left_out() {
    let text = ".include /x\n[Service]\nExecStart=/bin/a\nNice=much\nType=odd\nUser=me\nKillMode=\n\
                Environment=\"A\nLimitNOFILE=x\nMadeUp=1\nX-Mine=1\nWatchdogSec=soon\nNice=1000\n\
                [Socket]\nListenStream=80\n";
    let unit = named("a.service", text);
    for key in ["Environment", "Type", "LimitNOFILE", "MadeUp", "WatchdogSec", "ListenStream"] {
        assert_eq!(outcomes(&unit, key), [Outcome::NoEquivalent], "{key}");
    }
    assert_eq!(outcomes(&unit, "Nice"), [Outcome::NoMeaning, Outcome::NoEquivalent]);
    assert_eq!(outcomes(&unit, "X-Mine"), [Outcome::NoMeaning]);
    assert_eq!(outcomes(&unit, "KillMode"), [Outcome::NoMeaning]);
    assert!(unit.text.contains("user = \"me\""), "{}", unit.text);
}

#[test]
fn specifiers_that_only_the_machine_knows_are_told() {
    let unit = named("a.service", "[Service]\nExecStart=/bin/a --host=%H\n");
    assert!(outcomes(&unit, "ExecStart").contains(&Outcome::NoEquivalent));
    assert!(unit.text.contains("--host=%H"), "{}", unit.text);
}

#[test]
fn a_target_of_its_own_name_is_left_out() {
    let text = "[Unit]\nWants=a.target\nAfter=a.target\nRequires=b.target\n\
                [Service]\nExecStart=/bin/a\n";
    let unit = named("a.service", text);
    assert!(unit.text.contains("wants = \"b?\""), "{}", unit.text);
    for key in ["Wants", "After"] {
        assert_eq!(outcomes(&unit, key), [Outcome::NoMeaning], "{key}");
    }
}
