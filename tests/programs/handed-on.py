"""Speaks to a manager by a connection whose maker has ended, when an entity's
process has got its number.

Usage: handed-on.py HAM UNITS RUNTIME, in a PID namespace of its own. UNITS has an
entity web. Prints one JSON document: the number of who connected, that of web,
and what is answered to a state that is reported for "my own entity".
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

ham, units, runtime = sys.argv[1:]
control = runtime + "/control"


def connected():
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(20)
    stream.connect(control)
    return stream


def call(stream, method, parameters):
    text = json.dumps({"method": "io.ham.Manager." + method, "parameters": parameters})
    stream.sendall(text.encode() + b"\0")
    answer = b""
    while not answer.endswith(b"\0"):
        more = stream.recv(65536)
        if not more:
            sys.exit("the manager has closed")
        answer += more
    return json.loads(answer[:-1])


def pid_of_web():
    # Before the units are read there is no such entity.
    answer = call(connected(), "Status", {"names": ["web"]})["parameters"]
    return answer["entities"][0].get("pid") if "entities" in answer else None


def wait_for(what):
    deadline = time.monotonic() + 20
    while not what():
        if time.monotonic() > deadline:
            sys.exit("waited for too long")
        time.sleep(0.01)


def is_up():
    try:
        return pid_of_web() is not None
    except OSError:
        return False


manager = subprocess.Popen([ham, "--units", units, "--runtime-dir", runtime])
wait_for(is_up)
# The number of the peer is that of who calls connect(2).
stream = socket.socket(socket.AF_UNIX)
stream.settimeout(20)
maker = os.fork()
if maker == 0:
    stream.connect(control)
    os._exit(0)
os.waitpid(maker, 0)
for _ in range(50):
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(maker - 1))
    call(connected(), "Restart", {"names": ["web"], "wait": True})
    if pid_of_web() == maker:
        break
answer = call(stream, "State", {"state": "5"})
print(json.dumps({"maker": maker, "web": pid_of_web(), "answer": answer}))
manager.send_signal(signal.SIGTERM)
manager.wait()
