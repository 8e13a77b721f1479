"""A loopback server whose answers a test scripts, and which logs every request."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

Answer = tuple[int, dict[str, str], bytes]
NOTICES = ("/robots.txt", "/.well-known/tdmrep.json", "/ai.txt")


class Web:
    """Paths to answers; a list of answers is given one after the other, and 304 where a validator of one is sent.

    `log` holds the paths asked for and `headers` what each was asked with. A path in `stalls` is not ended until its
    event is set.
    """

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.answers: dict[str, Answer | list[Answer]] = {}
        self.log: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.stalls: dict[str, threading.Event] = {}

    @property
    def asked(self) -> list[str]:
        """The paths asked for, without the files that tell crawlers what they may."""
        return [path for path in self.log if path not in NOTICES]

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        self.log.append(path)
        self.headers.append(headers)
        found = self.answers.get(path, (404, {}, b"nothing here"))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if found[0] == 200 and found[1].get("ETag", "none") == headers.get("If-None-Match"):
            return 304, {}, b""
        return found


@pytest.fixture
def web() -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, headers, body = state.answer(self.path, dict(self.headers))
            self.send_response(code)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            if self.path in state.stalls:
                state.stalls.pop(self.path).wait(5)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the terminal quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Web(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()
