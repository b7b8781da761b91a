#!/usr/bin/python3
"""Counts its visitors in a database: the application of web.toml.

It needs nothing beyond Python and psql, listens on the loopback address, and
says by a line end to descriptor 3 that it does.
"""

import http.server
import os
import signal
import subprocess
import sys

COUNT = "INSERT INTO visits (path) VALUES ('/'); SELECT count(*) FROM visits;"


class Visits(http.server.BaseHTTPRequestHandler):
    """Answers each request with the number of visits so far."""

    def do_GET(self):
        words = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]
        psql = subprocess.run(words + ["--command", COUNT], capture_output=True, text=True)
        if psql.returncode == 0:
            self.answer(200, f"visits: {psql.stdout.strip()}\n")
        else:
            self.answer(503, psql.stderr)

    def answer(self, code, text):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    address = ("127.0.0.1", int(os.environ["PORT"]))
    with http.server.ThreadingHTTPServer(address, Visits) as server:
        try:
            os.write(3, b"\n")
            os.close(3)
        except OSError:
            pass  # Started by hand: nobody waits.
        server.serve_forever()


main()
