"""Serve a folder over HTTP on the loopback address."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
_logger = logging.getLogger(__name__)


@contextmanager
def serve(folder: Path) -> Generator[int]:
    """Serve `folder` from a thread, yielding the port the system chose; it ends with the block."""
    with ThreadingHTTPServer((HOST, 0), functools.partial(_Handler, directory=str(folder))) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="embedded-web", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".flac": "audio/flac",
        ".jsonl": "application/jsonl; charset=utf-8",
        ".m4a": "audio/mp4",
        ".ogg": "audio/ogg",
        ".srt": "application/x-subrip; charset=utf-8",
        ".vtt": "text/vtt; charset=utf-8",
    }

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        _logger.debug(format, *args)
