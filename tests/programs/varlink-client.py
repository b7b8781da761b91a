"""Calls the manager as any Varlink client would, by its own description.

Usage: varlink-client.py SOCKET. Prints one JSON document. Knows nothing of ham
but the names of the methods.
"""

import json
import os
import subprocess
import sys

import varlink

client = varlink.Client.new_with_address("unix:" + sys.argv[1])
found = {}
with client.open("org.varlink.service") as service:
    found["info"] = service.GetInfo()
with client.open("io.ham.Manager") as manager:
    # Fetched from the manager by GetInterfaceDescription, and parsed.
    found["members"] = sorted(client.get_interface("io.ham.Manager").members)
    found["status"] = manager.Status(names=["a*"])
    found["show"] = manager.Show(name="audio")
    found["kill"] = manager.Kill(names=["audio"], signal=23)
    try:
        manager.Stop(names=["audoi"], wait=True)
    except varlink.VarlinkError as error:
        found["error"] = {"name": error.error(), "parameters": error.parameters()}

# What is said of entities and done with them while they run.
process = subprocess.Popen(["sleep", "600"])
try:
    with client.open("io.ham.Manager") as manager:
        said = found["said"] = {}
        said["state"] = manager.State(name="audio", state="busy")
        said["again"] = manager.State(name="audio", state="7")
        said["reported"] = manager.Show(name="audio")["status"]["reported"]
        said["suspend"] = manager.Heartbeat(name="audio", to="suspend")
        said["query"] = manager.Heartbeat(to="query")
        said["resume"] = manager.Heartbeat(name="audio", to="resume")
        said["disarm"] = manager.Disarm(path="audio/send", for_ns=3_600_000_000_000)
        manager.Raise(name="audio", type=3)
        said["disarmed"] = manager.ReceivePulses(channel="audio/out", at_once=True)
        said["arm"] = manager.Arm(path="audio/send")
        manager.Raise(name="audio", type=3)
        received = manager.ReceivePulses(channel="audio/out")
        said["received"] = received["pulses"]
        said["waiting"] = manager.ReceivePulses(
            channel="audio/out",
            after=received["pulses"][-1]["serial"],
            manager=received["manager"],
            at_once=True,
        )["pulses"]
        numbers = {"interval_ns": 3_600_000_000_000, "low": 1, "high": 2}
        said["attach"] = manager.Attach(name="job", pid=process.pid, heartbeat=numbers)
        job = manager.Show(name="job")["status"]
        said["job"] = [job["pid"] == process.pid, job["heartbeat"]["interval_ns"]]
        said["detach"] = manager.Detach(name="job")
        # This process: it is let go of before it ends.
        request = {"client": "00000000000000aa", "serial": 1}
        said["attach_self"] = manager.AttachSelf(name="me", request=request)
        said["attached"] = manager.AttachSelf(name="me", request=request)
        said["me"] = manager.Show(name="me")["status"]["pid"] == os.getpid()
        said["detach_self"] = manager.Detach()
        try:
            manager.Attach(name="audio", pid=process.pid)
        except varlink.VarlinkError as error:
            said["refused"] = error.parameters()["reason"]
finally:
    process.kill()
    process.wait()
print(json.dumps(found))
