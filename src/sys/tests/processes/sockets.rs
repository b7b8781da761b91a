//! The control listener, the datagram socket and the packet pair, between real
//! processes.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};

use ham_sys::datagrams::Datagrams;
use ham_sys::process::{self, PidFd};
use ham_sys::rights::send_with;
use ham_sys::socket::{
    Listener, peer, peer_has_gone, peer_process, receive_packet, send_packet, seqpacket_pair,
};
use ham_sys::{Errno, clock};

use crate::harness::*;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "listener_knows_its_peer", run: listener, inner: false },
    Scenario { name: "listener_replaces_only_sockets", run: replaces, inner: false },
    Scenario { name: "datagrams_are_looked_at_first", run: datagrams, inner: false },
    Scenario { name: "packets_keep_their_boundaries", run: packets, inner: false },
];

fn listener() {
    let temp = TempDir::new();
    let path = temp.file("control");
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let listener = Listener::bind(&path, 0o666).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o666);
    assert!(listener.accept().unwrap().is_none());
    let client = start_monitor(|| {
        let mut stream = UnixStream::connect(&path).unwrap();
        let mut text = [0; 5];
        stream.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");
    });
    let mut stream = wait_for("a connection", || listener.accept().unwrap());
    let found = peer(&stream).unwrap();
    assert_eq!(found.pid, client);
    assert_eq!((found.uid, found.gid), (process::effective_uid(), process::effective_gid()));
    // Linux 6.5.
    let process = peer_process(&stream);
    assert!(process.as_ref().is_none_or(|process| !process.has_exited()));
    let mut none = [0; 1];
    let error = stream.read(&mut none).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    stream.write_all(b"hello").unwrap();
    // It is a zombie first, and has its number still.
    wait_for("the end of the client", || {
        process.as_ref().is_none_or(PidFd::has_exited).then_some(())
    });
    assert!(!peer_has_gone(&stream));
    assert_eq!(wait_exit(client).status, 0);
    assert_eq!(peer_has_gone(&stream), process.is_some());
}

fn replaces() {
    let temp = TempDir::new();
    let path = temp.file("control");
    drop(Listener::bind(&path, 0o600).unwrap());
    let fresh = Listener::bind(&path, 0o600).unwrap();
    let _client = UnixStream::connect(&path).unwrap();
    assert!(fresh.accept().unwrap().is_some());
    let file = temp.file("file");
    std::fs::write(&file, "precious").unwrap();
    assert_eq!(Listener::bind(&file, 0o600).unwrap_err().errno, Errno::EEXIST);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    let long = temp.file(&"x".repeat(120));
    let error = Listener::bind(&long, 0o600).unwrap_err();
    assert_eq!(error.errno, Errno::ENAMETOOLONG);
    assert!(error.to_string().contains("107 bytes"));
}

fn datagrams() {
    let temp = TempDir::new();
    let path = temp.file("notify");
    let socket = Datagrams::bind(&path, 0o666).unwrap();
    let mut buffer = [0; 8];
    assert_eq!(socket.peek(&mut buffer).unwrap(), None);
    let (mut reading, writing) = std::io::pipe().unwrap();
    let client = start_monitor(|| {
        let sender = UnixDatagram::unbound().unwrap();
        sender.connect(&path).unwrap();
        assert!(send_with(&sender, b"with one", Some(writing.as_fd())).unwrap());
        assert!(send_with(&sender, b"longer than that", None).unwrap());
        assert!(send_with(&sender, b"", None).unwrap());
    });
    assert_eq!(wait_exit(client).status, 0);
    drop(writing);

    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for _ in 0..2 {
        let waiting = socket.peek(&mut buffer).unwrap().unwrap();
        assert_eq!((waiting.length, &buffer, waiting.passes), (8, b"with one", true));
        let sender = waiting.sender.unwrap();
        assert_eq!((sender.pid, sender.uid), (client, process::effective_uid()));
    }
    assert_eq!(open(), before, "to look leaves nothing open");
    let (copies, are_all) = socket.peek_descriptors().unwrap();
    assert!(are_all);
    assert_eq!((copies.len(), open()), (1, before + 1));
    drop(copies);
    assert_eq!(socket.take().unwrap().len(), 1);
    // Nobody has the other end any more.
    assert_eq!(reading.read(&mut [0]).unwrap(), 0);

    let waiting = socket.peek(&mut buffer).unwrap().unwrap();
    assert_eq!((waiting.length, waiting.passes), (16, false));
    socket.discard().unwrap();
    assert_eq!(socket.peek(&mut buffer).unwrap().unwrap().length, 0);
    assert!(socket.take().unwrap().is_empty());
    assert_eq!(socket.peek(&mut buffer).unwrap(), None);
    socket.discard().unwrap();
}

fn packets() {
    let (ours, theirs) = seqpacket_pair().unwrap();
    let mut buffer = [0; 64];
    assert_eq!(receive_packet(&ours, &mut buffer).unwrap(), None);
    assert!(send_packet(&theirs, b"first").unwrap());
    assert!(send_packet(&theirs, b"second one").unwrap());
    assert!(send_packet(&theirs, &[1; 65]).unwrap());
    assert_eq!(receive_packet(&ours, &mut buffer).unwrap(), Some(5));
    assert_eq!(&buffer[..5], b"first");
    assert_eq!(receive_packet(&ours, &mut buffer).unwrap(), Some(10));
    let error = receive_packet(&ours, &mut buffer).unwrap_err();
    assert_eq!(error.errno, Errno(libc::EMSGSIZE));
    // Full is told, not waited for.
    let deadline = clock::monotonic() + PATIENCE.as_nanos() as u64;
    while send_packet(&theirs, &[0; 64]).unwrap() {
        assert!(clock::monotonic() < deadline);
    }
    while receive_packet(&ours, &mut buffer).unwrap().is_some() {}
    drop(theirs);
    assert_eq!(receive_packet(&ours, &mut buffer).unwrap(), Some(0));
    // No SIGPIPE, whatever its disposition.
    assert_eq!(send_packet(&ours, b"x").unwrap_err().errno, Errno(libc::EPIPE));
}
