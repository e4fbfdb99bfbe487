"""An API that does as it is told: it lists the records that a test gives it, a page at a time if the test wants to see each."""
import contextlib
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# A test that forgets a request must not hang.
HELD_SECONDS_MAX = 60


class Api:
    """`records` are customers: dictionaries, or text that is sent as it is. They may be replaced between passes."""

    def __init__(self, port, records):
        self.records = list(records)
        self._changed = threading.Condition()
        self._permits = None  # no end of them
        self._refusal = None
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def hold(self):
        """From now on, each request waits until it is let go."""
        self._set(permits=0)

    def let(self, requests):
        """Lets so many more requests go."""
        with self._changed:
            self._permits += requests
            self._changed.notify_all()

    def open(self):
        """No request waits any more."""
        self._set(permits=None)

    def refuse(self, status=429, retry_after_seconds=3):
        """Refuses all requests until told otherwise; those that are held, too."""
        self._set(refusal=(status, retry_after_seconds))

    def accept(self):
        self._set(refusal=None)

    def close(self):
        self.refuse(503, 0)
        self._server.shutdown()
        self._server.server_close()

    def _set(self, **values):
        with self._changed:
            for name, value in values.items():
                setattr(self, f"_{name}", value)
            self._changed.notify_all()

    def _turn(self):
        """Waits for a permit. How it is refused, if it is."""
        with self._changed:
            self._changed.wait_for(lambda: self._refusal or self._permits != 0, HELD_SECONDS_MAX)
            if self._refusal is None and self._permits:
                self._permits -= 1
            return self._refusal

    def _page(self, query):
        begin = int(query.get("cursor", ["0"])[0])
        end = begin + int(query.get("limit", ["100"])[0])
        records = [record if isinstance(record, str) else json.dumps(record) for record in self.records[begin:end]]
        following = json.dumps(str(end)) if end < len(self.records) else "null"
        return f'{{"items":[{",".join(records)}],"pagination":{{"nextCursor":{following}}}}}'

    def _handler(api):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                refusal = api._turn()
                if refusal:
                    self.answer(refusal[0], '{"code":"no","message":"not now"}', {"Retry-After": str(refusal[1])})
                else:
                    self.answer(200, api._page(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)), {})

            def answer(self, status, body, headers):
                body = body.encode("utf-8", "surrogatepass")
                self.send_response(status)
                for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                # The daemon may be gone while the answer was held.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
