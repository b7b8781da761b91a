"""Calls the manager as any Varlink client would, by its own description.

Usage: varlink-client.py SOCKET. Prints one JSON document. Knows nothing of ham
but the names of the methods.
"""

import json
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
print(json.dumps(found))
