"""An API that lists what it is told, a page at a time, and remembers what it was asked for."""
import contextlib
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def pages(records, size):
    """The bodies of all pages, and the cursor that each leads to."""
    found = []
    for begin in range(0, max(len(records), 1), size):
        end = begin + size
        following = f"after-{end}" if end < len(records) else None
        body = b'{"items":[' + b",".join(records[begin:end]) + b'],"pagination":{"nextCursor":' + json.dumps(following).encode() + b"}}"
        found.append((records[begin:end], following, body))
    return found


class Api:
    """`records` are the bytes of customers; they may be replaced between passes."""

    def __init__(self, port, page_size):
        self.records, self.page_size, self.requests = [], page_size, []
        # A cursor with which a key is refused, as when somebody takes it back in the middle of a pass.
        self.refused = None
        # What is done before a request is answered.
        self.before = lambda cursor: None
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def list(self, records):
        self.records, self.requests = records, []

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _handler(api):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                cursor = query.get("cursor", [None])[0]
                api.requests.append(cursor)
                api.before(cursor)
                if cursor is not None and cursor == api.refused:
                    self.answer(401, b'{"code":"unauthorized","message":"no"}')
                    return
                begin = int(cursor.removeprefix("after-")) if cursor else 0
                _, _, body = pages(api.records, api.page_size)[begin // api.page_size]
                self.answer(200, body)

            def answer(self, status, body):
                # Whoever asked may have been killed.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def handle(self):
                with contextlib.suppress(ConnectionResetError):
                    super().handle()

            def log_message(self, *_):
                pass

        return Handler
