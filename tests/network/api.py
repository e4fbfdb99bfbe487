#!/usr/bin/env python3
"""The listing of a few hundred customers, for network.sh: api.py NAME FOLDER [CERTIFICATE KEY] ADDRESS PORT

What it does is told by the file FOLDER/NAME.mode, read at each request; each request is a line in FOLDER/NAME.requests: when, for which
page. Nothing but the standard library.
"""

import json, os, pathlib, socket, ssl, struct, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

CUSTOMERS = 300
name, folder, *certificate, address, port = sys.argv[1:]
folder = pathlib.Path(folder)
log = open(folder / f"{name}.requests", "a", buffering=1)


def record(number):
    return {"customerId": f"c{number}", "name": f"Customer {number}", "metadata": {"filler": "x" * 500}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        first = int(query.get("cursor", ["0"])[0].split("-")[0])
        limit = min(int(query["limit"][0]), 30)
        log.write(f"{time.time():.3f} {first}\n")
        mode = (folder / f"{name}.mode").read_text().strip()
        # A cursor can be gone; the first page has none.
        if mode.isdigit() and (mode != "410" or first > 0):
            return self.say(int(mode), {"message": mode})
        if mode == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        if mode == "malformed":
            return self.say(200, {"items": []})
        if mode == "empty":
            return self.say(200, {"items": [], "pagination": {"nextCursor": f"0-{time.time_ns()}"}})
        if mode.startswith("slow"):
            time.sleep(float(mode.split()[1]))
        after = first + limit
        page = {"items": [record(number) for number in range(first, min(after, CUSTOMERS))]}
        page["pagination"] = {"nextCursor": str(after) if after < CUSTOMERS else None}
        self.say(200, page)

    def say(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def handle_error(self, *_):
        pass


server = Server((address, int(port)), Handler)
if certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    # The handshake is made by the thread of the connection, not by the one that accepts.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
(folder / f"{name}.ready").touch()
server.serve_forever()
