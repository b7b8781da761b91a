//! The service files of real packages of Debian, as units. The packages are
//! fetched and unpacked, not installed; each unit must load. What the units of
//! some of them do when they run is in `daemons`.
#![forbid(unsafe_code)]

use ham_tests::programs::{Scratch, hamctl};
use ham_tests::skip::{program, skipped};
use ham_unit::{Settings, UserEntry, Users, check_file};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Packages that bring services, of many kinds.
const PACKAGES: [&str; 36] = [
    "acpid",
    "apache2",
    "avahi-daemon",
    "bind9",
    "bluez",
    "chrony",
    "cron",
    "cups-daemon",
    "dnsmasq",
    "docker.io",
    "dovecot-core",
    "fail2ban",
    "haproxy",
    "knot",
    "lighttpd",
    "mariadb-server",
    "memcached",
    "mosquitto",
    "nginx-common",
    "nsd",
    "ntpsec",
    "openssh-server",
    "openvpn",
    "postfix",
    "postgresql-common",
    "prometheus-node-exporter",
    "redis-server",
    "rsyslog",
    "samba",
    "smartmontools",
    "squid",
    "stunnel4",
    "tor",
    "unbound",
    "varnish",
    "vsftpd",
];
/// So many must have been had, where there is an archive at all.
const ENOUGH: usize = 20;

/// Every user exists: their packages are not installed.
#[derive(Debug)]
struct Everybody;

impl Users for Everybody {
    fn user(&self, name: &str) -> Result<Option<UserEntry>, String> {
        let (home, shell) = ("/".to_owned(), "/bin/sh".to_owned());
        Ok(Some(UserEntry { name: name.to_owned(), uid: 1000, gid: 1000, home, shell }))
    }

    fn group(&self, _: &str) -> Result<Option<u32>, String> {
        Ok(Some(1000))
    }

    fn groups_of(&self, _: &str) -> Result<Vec<u32>, String> {
        Ok(Vec::new())
    }
}

/// Services below a folder that are files with something in them.
fn services(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for place in ["lib/systemd/system", "usr/lib/systemd/system"] {
        for entry in fs::read_dir(folder.join(place)).into_iter().flatten().flatten() {
            let path = entry.path();
            let data = fs::symlink_metadata(&path).expect("it was listed");
            let is_service = path.extension().is_some_and(|kind| kind == "service");
            if is_service && data.is_file() && data.len() > 0 {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Runs a program there; whether it has succeeded.
fn run(folder: &Path, program: &str, words: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.current_dir(folder).args(words).stdin(Stdio::null());
    command.output().is_ok_and(|output| output.status.success())
}

/// Fetches the packages: at once, or, since a release may lack one, by one.
fn fetch(folder: &Path) {
    let all: Vec<&str> = ["download", "-q"].into_iter().chain(PACKAGES).collect();
    if !run(folder, "apt-get", &all) {
        for name in PACKAGES {
            run(folder, "apt-get", &["download", "-q", name]);
        }
    }
}

/// The files of packages in a folder.
fn packages(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("the folder").flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "deb")).collect()
}

/// Imports one service and looks at all that came of it.
fn import(service: &Path, units: &Path) -> Result<(), String> {
    let output = Command::new(hamctl())
        .args(["--json", "import", "--force", "--output"])
        .args([units, service])
        .output()
        .expect("hamctl was built");
    let error = String::from_utf8_lossy(&output.stderr);
    if !matches!(output.status.code(), Some(0 | 8)) {
        return Err(format!("{}: {} {error}", service.display(), output.status));
    }
    let document: Value = serde_json::from_slice(&output.stdout).map_err(|why| why.to_string())?;
    let unit = &document["units"][0];
    let entries = unit["report"].as_array().ok_or("no report")?;
    // Every line with a key is in the report, and no key is strange to it.
    let text = fs::read_to_string(service).map_err(|why| why.to_string())?;
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let comment = line.starts_with(['#', ';']);
        let is_key = !goes_on && !comment && !line.is_empty() && !line.starts_with('[');
        if is_key && !entries.iter().any(|entry| entry["line"] == index + 1) {
            return Err(format!("{}:{}: not in the report", service.display(), index + 1));
        }
        goes_on = if comment { goes_on } else { line.ends_with('\\') };
    }
    for entry in entries {
        let told = entry["text"].as_str().unwrap_or_default();
        if told.contains("does not know") || told.starts_with("not read") {
            return Err(format!("{}: {entry}", service.display()));
        }
    }
    let path = unit["path"].as_str().ok_or("no path")?;
    // Templates are looked at as one of their instances.
    let mut path = PathBuf::from(path);
    if path.to_string_lossy().ends_with("@.toml") {
        let text = fs::read_to_string(&path).map_err(|why| why.to_string())?;
        path = PathBuf::from(path.to_string_lossy().replace("@.toml", "@one.toml"));
        fs::write(&path, text.replace("{instance}", "one")).map_err(|why| why.to_string())?;
    }
    let settings = Settings { look_at_commands: false, ..Settings::new(&Everybody, 0) };
    let loaded = check_file(&path, &settings);
    let wrong: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|found| found.is_error())
        .map(ToString::to_string)
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}: {wrong:?}", path.display())) }
}

#[test]
#[ignore = "fetches some 70 MB of packages: cargo test -p ham-tests --test import -- --ignored"]
fn services_of_real_packages_become_units_that_load() {
    let what = "services_of_real_packages_become_units_that_load";
    if ["apt-get", "dpkg"].iter().any(|name| program(name, what).is_none()) {
        return;
    }
    let scratch = Scratch::new("import");
    let units = scratch.path().join("units");
    fs::create_dir(&units).expect("a folder");
    fetch(scratch.path());
    let fetched = packages(scratch.path());
    if fetched.is_empty() {
        skipped(what, "apt-get download gives nothing: no archive, or apt-get update is due");
        return;
    }
    let (mut have, mut count) = (0, 0);
    let mut wrong = Vec::new();
    for package in fetched {
        let file = package.to_str().expect("a plain name");
        assert!(run(scratch.path(), "dpkg", &["-x", file, "root"]), "{file}");
        let root = scratch.path().join("root");
        let found = services(&root);
        have += usize::from(!found.is_empty());
        for service in found {
            count += 1;
            wrong.extend(import(&service, &units).err());
        }
        // Some of them are large.
        fs::remove_dir_all(&root).expect("the folder");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(have >= ENOUGH, "only {have} packages with {count} services could be had");
}

/// What is installed here, where there is systemd's directory: more kinds of
/// services than those of packages that somebody has thought of.
#[test]
fn services_of_this_machine_become_units_that_load() {
    let what = "services_of_this_machine_become_units_that_load";
    let mut all = services(Path::new("/usr"));
    all.extend(services(Path::new("/")));
    if all.is_empty() {
        skipped(what, "there are no service files here");
        return;
    }
    let scratch = Scratch::new("import");
    let wrong: Vec<String> =
        all.iter().filter_map(|service| import(service, scratch.path()).err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
