//! An entity for tests, where a line of shell would not do: it tells what it
//! receives, outlives what it is asked, or takes more than it may have. Each
//! mode ends by itself at some time, so that none stays behind for ever when
//! a test is killed.
#![forbid(unsafe_code)]

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use signal_hook::consts::signal::{SIGTERM, SIGUSR1};
use std::fs::File;
use std::io::{BufRead, BufReader, Error, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const USAGE: &str = "\
usage: ham-probe receive SIGNAL...   print each of these as NAME CODE VALUE
       ham-probe receive-all         the same for every signal there is, as
                                     NUMBER CODE VALUE, until number 64 comes
       ham-probe outlive             print TERM when it comes, and go on
       ham-probe take MEBIBYTES      use so much memory
       ham-probe connect COUNT PATH  hold so many connections to a socket
       ham-probe call PATH           send each line of standard input to a socket,
                                     NUL for the line end, and print each answer
       ham-probe notify TEXT FILE... send that, and these files opened, to
                                     NOTIFY_SOCKET, and wait until it was taken
       ham-probe beat MILLISECONDS FILE
                                     beat so often while the file is there
       ham-probe attach NAME MILLISECONDS LOW HIGH FILE
                                     attach itself with that heartbeat, beat
                                     while the file is there, attach itself anew
                                     on USR1, on TERM detach itself and end
       ham-probe hang DIRECTORY      mount a file system there that answers nothing,
                                     and print a line for each that is asked
       ham-probe tell FIFO           send each line of the FIFO to NOTIFY_SOCKET
       ham-probe last FIFO TEXT FILE...
                                     wait for the end of the FIFO, send that and
                                     these files to NOTIFY_SOCKET, and fail at once";

/// Longer than any test lasts.
const LIFETIME: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["receive", signals @ ..] if !signals.is_empty() => receive(signals),
        ["receive-all"] => receive_all(),
        ["outlive"] => outlive(),
        ["take", size] => take(size),
        ["connect", count, path] => connect(count, path),
        ["call", path] => call(path),
        ["notify", text, files @ ..] => notify(text, files),
        ["beat", interval, file] => beat(interval, file),
        ["attach", name, rest @ ..] if rest.len() == 4 => attach(name, rest),
        ["hang", directory] => hang(directory),
        ["tell", fifo] => tell(fifo),
        ["last", fifo, text, files @ ..] => last(fifo, text, files),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ham-probe: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The heart of the entity that this is.
fn beat(interval: &str, file: &str) -> Result<(), Error> {
    let interval = Duration::from_millis(interval.parse().map_err(Error::other)?);
    let heart = libham::Ham::connect().and_then(|mut ham| ham.heart()).map_err(Error::other)?;
    let end = Instant::now() + LIFETIME;
    while Instant::now() < end {
        if std::path::Path::new(file).exists() {
            heart.beat();
        }
        std::thread::sleep(interval);
    }
    Ok(())
}

/// Whoever asks such a file system waits in the kernel, and no signal ends that
/// (fuse(4)): as with a disk that does not answer. It is over when this ends.
fn hang(directory: &str) -> Result<(), Error> {
    const HEADER: usize = 16;
    let mut device = File::options().read(true).write(true).open("/dev/fuse")?;
    let options = "fd=0,rootmode=40000,user_id=0,group_id=0";
    let status = Command::new("mount")
        .args(["-i", "-t", "fuse", "-o", options, "none", directory])
        .stdin(device.try_clone()?)
        .status()?;
    if !status.success() {
        return Err(Error::other("it cannot be mounted"));
    }
    // The first, FUSE_INIT, has to be answered: protocol 7.31, writes of a page,
    // times of a nanosecond.
    let mut request = vec![0; 64 * 1024];
    let _ = device.read(&mut request)?;
    let mut answer = [0u8; HEADER + 64];
    let number = request.get(8..16).unwrap_or_default();
    let parts: [(usize, &[u8]); 6] = [
        (0, &80u32.to_ne_bytes()),
        (8, number),
        (HEADER, &7u32.to_ne_bytes()),
        (HEADER + 4, &31u32.to_ne_bytes()),
        (HEADER + 20, &4096u32.to_ne_bytes()),
        (HEADER + 24, &1u32.to_ne_bytes()),
    ];
    for (at, bytes) in parts {
        answer[at..at + bytes.len()].copy_from_slice(bytes);
    }
    device.write_all(&answer)?;
    say("mounted")?;
    loop {
        let _ = device.read(&mut request)?;
        say("asked")?;
    }
}

/// A process that ham has not started, and that says so itself.
fn attach(name: &str, rest: &[&str]) -> Result<(), Error> {
    let &[interval, low, high, file] = rest else { return Err(Error::other(USAGE)) };
    let (ends, again) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    signal_hook::flag::register(SIGTERM, Arc::clone(&ends))?;
    signal_hook::flag::register(SIGUSR1, Arc::clone(&again))?;
    let interval = Duration::from_millis(interval.parse().map_err(Error::other)?);
    let number = |text: &str| text.parse().map_err(Error::other);
    let heartbeat = libham::Heartbeat { interval, low: number(low)?, high: number(high)? };
    let mut ham = libham::Ham::connect().map_err(Error::other)?;
    let changed = ham.attach(name, Some(heartbeat)).map_err(Error::other)?;
    say(&format!("attached {changed}"))?;
    let heart = ham.heart().map_err(Error::other)?;
    let end = Instant::now() + LIFETIME;
    while Instant::now() < end {
        if std::path::Path::new(file).exists() {
            heart.beat();
        }
        if again.swap(false, Ordering::Relaxed) {
            let changed = ham.attach(name, Some(heartbeat)).map_err(Error::other)?;
            say(&format!("attached {changed}"))?;
        }
        if ends.load(Ordering::Relaxed) {
            ham.detach().map_err(Error::other)?;
            return say("detached");
        }
        std::thread::sleep(interval / 5);
    }
    Ok(())
}

/// One line at once: a reader must not see half of it.
fn say(line: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}

/// `si_code` and value are what sigqueue(3) is about, and a handler in Rust
/// does not see the latter: so they are read from a descriptor.
fn receive(names: &[&str]) -> Result<(), Error> {
    let mut set = SigSet::empty();
    for name in names {
        let signal: Signal = format!("SIG{name}").parse()?;
        set.add(signal);
    }
    set.thread_block()?;
    let descriptor = SignalFd::new(&set)?;
    say("ready")?;
    let end = Instant::now() + LIFETIME;
    while Instant::now() < end {
        let Some(info) = descriptor.read_signal()? else { break };
        let number = i32::try_from(info.ssi_signo).map_err(Error::other)?;
        let signal = Signal::try_from(number)?;
        let name = signal.as_str().trim_start_matches("SIG");
        say(&format!("{name} {} {}", info.ssi_code, info.ssi_int))?;
    }
    Ok(())
}

/// The numbers that have no name among them.
fn receive_all() -> Result<(), Error> {
    const LAST: u32 = 64;
    let set = SigSet::all();
    set.thread_block()?;
    let descriptor = SignalFd::new(&set)?;
    say(&format!("ready {}", std::process::id()))?;
    let end = Instant::now() + LIFETIME;
    while Instant::now() < end {
        let mut watched = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
        if poll(&mut watched, PollTimeout::from(1000u16))? == 0 {
            continue;
        }
        let Some(info) = descriptor.read_signal()? else { break };
        say(&format!("{} {} {}", info.ssi_signo, info.ssi_code, info.ssi_int))?;
        if info.ssi_signo == LAST {
            break;
        }
    }
    Ok(())
}

fn outlive() -> Result<(), Error> {
    let told = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, Arc::clone(&told))?;
    say("ready")?;
    let end = Instant::now() + LIFETIME;
    while Instant::now() < end {
        if told.swap(false, Ordering::Relaxed) {
            say("TERM")?;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Writes to every page, so that the memory is really there.
fn take(size: &str) -> Result<(), Error> {
    /// The smallest page of any machine that ham runs on.
    const PAGE: usize = 4096;
    let mebibytes: usize = size.parse().map_err(Error::other)?;
    let mut pages = Vec::new();
    for number in 0..mebibytes * 1024 * 1024 / PAGE {
        pages.push(vec![u8::try_from(number % 255).map_err(Error::other)?; PAGE]);
    }
    let sum: usize = pages.iter().map(|page| usize::from(page[PAGE - 1])).sum();
    say(&format!("survived {sum}"))
}

/// One call after the other, by one connection.
fn call(path: &str) -> Result<(), Error> {
    let mut answers = BufReader::new(UnixStream::connect(path)?);
    for line in std::io::stdin().lines() {
        answers.get_mut().write_all(format!("{}\0", line?).as_bytes())?;
        let mut answer = Vec::new();
        answers.read_until(0, &mut answer)?;
        say(String::from_utf8_lossy(&answer).trim_end_matches('\0'))?;
    }
    Ok(())
}

/// Says nothing on them, until its standard input ends.
fn connect(count: &str, path: &str) -> Result<(), Error> {
    let count: usize = count.parse().map_err(Error::other)?;
    let streams: Vec<UnixStream> =
        (0..count).map(|_| UnixStream::connect(path)).collect::<Result<_, Error>>()?;
    say("ready")?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(streams);
    Ok(())
}

/// A socket that is connected to whoever is to be told.
fn notify_socket() -> Result<UnixDatagram, Error> {
    let path = std::env::var_os("NOTIFY_SOCKET").ok_or_else(|| Error::other("no NOTIFY_SOCKET"))?;
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(socket)
}

fn send(socket: &UnixDatagram, text: &str, files: &[RawFd]) -> Result<(), Error> {
    let rights = [ControlMessage::ScmRights(files)];
    let control = if files.is_empty() { &[] } else { &rights[..] };
    let parts = [IoSlice::new(text.as_bytes())];
    sendmsg::<()>(socket.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

fn send_files(socket: &UnixDatagram, text: &str, files: &[&str]) -> Result<(), Error> {
    let files: Vec<File> = files.iter().map(File::open).collect::<Result<_, Error>>()?;
    let numbers: Vec<RawFd> = files.iter().map(AsRawFd::as_raw_fd).collect();
    send(socket, text, &numbers)
}

/// What a program says that knows that it ends now.
fn last(fifo: &str, text: &str, files: &[&str]) -> Result<(), Error> {
    let socket = notify_socket()?;
    File::open(fifo)?.read_to_end(&mut Vec::new())?;
    send_files(&socket, text, files)?;
    Err(Error::other("this was to be its end"))
}

/// As systemd-notify does: who has ended before it was heard is a stranger.
fn notify(text: &str, files: &[&str]) -> Result<(), Error> {
    let socket = notify_socket()?;
    send_files(&socket, text, files)?;
    let (mut reading, writing) = std::io::pipe()?;
    send(&socket, "BARRIER=1", &[writing.as_raw_fd()])?;
    drop(writing);
    // Ends when the last one who has the other end has closed it.
    reading.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// By this very process, which goes on.
fn tell(fifo: &str) -> Result<(), Error> {
    let socket = notify_socket()?;
    let end = Instant::now() + LIFETIME;
    while Instant::now() < end {
        // Ends when its writer closes it; then another may come.
        for line in BufReader::new(File::open(fifo)?).lines() {
            send(&socket, &line?, &[])?;
            say("told")?;
        }
    }
    Ok(())
}
