"""Answers GET on a free loopback port, which it prints; variables make it answer badly.

BODY (ok), STATUS (200), HANG (set: accepts and never answers), HOST (127.0.0.1), PORT (0).
"""

import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """One answer for every path."""

    def do_GET(self) -> None:
        """Answer as the environment says."""
        if "HANG" in os.environ:
            time.sleep(3600)
        body = os.environ.get("BODY", "ok").encode()
        self.send_response(int(os.environ.get("STATUS", "200")))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "0")))
with ThreadingHTTPServer(address, Handler) as server:
    print(server.server_address[1])
    server.serve_forever()
