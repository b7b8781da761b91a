//! Packages of Debian, fetched and unpacked below `target`, never installed: of
//! this machine's archive, or of the same one for another processor or of another
//! release. For those apt has lists of its own there, so nothing of the machine
//! changes.

use super::folder;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An archive, as apt is told of it.
#[derive(Debug)]
pub(super) struct Packages {
    options: Vec<String>,
    /// Where they are unpacked.
    place: PathBuf,
}

impl Packages {
    /// Those for a processor, in Debian's word for it. `release`: not this
    /// machine's, but another.
    pub(super) fn of(architecture: &str, release: Option<&str>) -> Result<Packages, String> {
        let place = folder().join("packages").join(architecture);
        directory(&place)?;
        let own = output(Command::new("dpkg").arg("--print-architecture"))?;
        if own.trim() == architecture && release.is_none() {
            return Ok(Packages { options: Vec::new(), place });
        }
        let lists = folder().join("apt").join(release.unwrap_or("own")).join(architecture);
        let options = options_of(&lists, architecture)?;
        fs::write(lists.join("sources"), sources(architecture, release)?)
            .map_err(|error| format!("{}: {error}", lists.display()))?;
        let packages = Packages { options, place };
        output(packages.apt("apt-get").args(["update", "--quiet=2"]))?;
        Ok(packages)
    }

    /// The package that this one depends on, whose name begins so.
    pub(super) fn needed_by(&self, package: &str, prefix: &str) -> Result<String, String> {
        let told = output(self.apt("apt-cache").args(["depends", package]))?;
        let mut named = told.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        let named = named.find(|name| name.starts_with(prefix));
        named.map(str::to_owned).ok_or_else(|| format!("apt-cache knows no {package}"))
    }

    /// What is in a package: unpacked beside its place and then moved there, so
    /// that what is there is whole.
    pub(super) fn unpack(&self, package: &str) -> Result<PathBuf, String> {
        let unpacked = self.place.join(package);
        if unpacked.exists() {
            return Ok(unpacked);
        }
        let scratch = self.place.join(format!("new-{}-{package}", std::process::id()));
        let _ = fs::remove_dir_all(&scratch);
        directory(&scratch)?;
        let mut fetch = self.apt("apt-get");
        fetch.current_dir(&scratch).args(["download", "--quiet", package]);
        let fetched = output(&mut fetch).and_then(|_| only_one(&scratch, package));
        let moved = fetched.and_then(|file| {
            let tree = scratch.join("tree");
            output(Command::new("dpkg").arg("-x").args([&file, &tree]))?;
            fs::rename(&tree, &unpacked).map_err(|error| format!("{}: {error}", tree.display()))
        });
        let _ = fs::remove_dir_all(&scratch);
        moved.map(|()| unpacked)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options);
        command
    }
}

/// What makes apt keep everything in a folder.
fn options_of(lists: &Path, architecture: &str) -> Result<Vec<String>, String> {
    for name in ["lists/partial", "cache/archives/partial", "parts"] {
        directory(&lists.join(name))?;
    }
    // What is installed: nothing.
    fs::write(lists.join("status"), "").map_err(|error| error.to_string())?;
    let lists = lists.display();
    let options = [
        format!("APT::Architecture={architecture}"),
        format!("APT::Architectures={architecture}"),
        format!("Dir::State={lists}"),
        format!("Dir::State::status={lists}/status"),
        format!("Dir::State::lists={lists}/lists"),
        format!("Dir::Cache={lists}/cache"),
        format!("Dir::Etc::sourcelist={lists}/sources"),
        format!("Dir::Etc::sourceparts={lists}/parts"),
        // Only names and versions are needed; and apt's own user may not write here.
        "Acquire::Languages=none".to_owned(),
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
        "APT::Sandbox::User=root".to_owned(),
    ];
    Ok(options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect())
}

/// The lines of sources.list(5): the servers of this machine's release.
fn sources(architecture: &str, release: Option<&str>) -> Result<String, String> {
    let system = fs::read_to_string("/etc/os-release").map_err(|error| error.to_string())?;
    let own = system.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let own = own.map(|name| name.trim_matches('"')).ok_or("this release has no name")?;
    let format = ["indextargets", "--format", "$(SITE) $(CODENAME) $(COMPONENT)"];
    let told = output(Command::new("apt-get").args(format).arg("Created-By: Packages"))?;
    let mut lines = String::new();
    for target in told.lines() {
        let words: Vec<&str> = target.split(' ').collect();
        // As Debian calls them: the release, and what was mended since.
        if let [site, name, "main"] = words[..]
            && let Some(part) = name.strip_prefix(own)
            && ["", "-security"].contains(&part)
        {
            let release = release.unwrap_or(own);
            lines.push_str(&format!("deb [arch={architecture}] {site} {release}{part} main\n"));
        }
    }
    if lines.is_empty() { Err(format!("apt has no lists of {own}")) } else { Ok(lines) }
}

fn directory(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The entry of a folder that begins so.
pub(super) fn only_one(folder: &Path, prefix: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names = entries.flatten().map(|entry| entry.path());
    let begins = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    names.find(begins).ok_or_else(|| format!("nothing in {} is {prefix}…", folder.display()))
}

pub(super) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name} ended with {}: {}", output.status, errors.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
