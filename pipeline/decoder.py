"""Decode untrusted audio in a child process that can open no file and no socket.

One child serves many recordings; a crash, a hang or too much memory costs the child and one DecodeError. The child
gets bytes on stdin and answers on stdout; it never sees a path or a URL.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import resource
import select
import struct
import subprocess
import sys
import threading
from typing import Any, BinaryIO

import av
import numpy as np

from pipeline import audio
from pipeline.audio import Decoded, DecodeError

MAX_DURATION_MS = 24 * 3600 * 1000
MEMORY_BYTES = 8 << 30
TIMEOUT_S = 600.0
_HEADER = struct.Struct("<II")
_QUESTION = struct.Struct("<QQ")


class Decoder:
    """A decoding child, started when first needed and replaced when it dies."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def decode(self, data: bytes, max_duration_ms: int, timeout_s: float) -> Decoded:
        """Decode one recording; DecodeError when it cannot be, whatever happened to the child."""
        with self._lock:
            child = self._running_child()
            timer = threading.Timer(timeout_s, child.kill)
            timer.start()
            try:
                return _ask(child, data, max_duration_ms)
            except (BrokenPipeError, EOFError) as error:
                code = child.wait()
                raise DecodeError(
                    f"the decoder died on it (exit {code}, limit {timeout_s:.0f} s and {MEMORY_BYTES >> 30} GiB)"
                ) from error
            finally:
                timer.cancel()

    def close(self) -> None:
        """Stop the child."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def _running_child(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            command = [sys.executable, "-m", "pipeline.decoder"]
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._child


_SHARED = Decoder()


def decode(data: bytes, max_duration_ms: int = MAX_DURATION_MS, timeout_s: float = TIMEOUT_S) -> Decoded:
    """Decode one recording in this process's child; DecodeError when it cannot be."""
    if audio.sniff(data) is None:
        raise DecodeError(
            f"no known audio container starts with {data[:8]!r}; expected one of {sorted(audio.DEMUXERS)}"
        )
    return _SHARED.decode(data, max_duration_ms, timeout_s)


def main() -> None:
    """Serve decoding requests on stdin until it closes."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _lock_down()
    while select.select([source], [], [])[0]:
        head = source.read(_QUESTION.size)
        if not head:
            return
        num_bytes, max_duration_ms = _QUESTION.unpack(head)
        info, pcm = _answer(_read_exactly(source, num_bytes), max_duration_ms)
        text = json.dumps(info).encode()
        sink.write(_HEADER.pack(len(text), len(pcm)) + text + pcm)
        sink.flush()


def _ask(child: subprocess.Popen[bytes], data: bytes, max_duration_ms: int) -> Decoded:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(_QUESTION.pack(len(data), max_duration_ms))
    child.stdin.write(data)
    child.stdin.flush()
    text_bytes, pcm_bytes = _HEADER.unpack(_read_exactly(child.stdout, _HEADER.size))
    info: dict[str, Any] = json.loads(_read_exactly(child.stdout, text_bytes))
    pcm = np.frombuffer(_read_exactly(child.stdout, pcm_bytes), dtype=np.int16)
    if "error" in info:
        raise DecodeError(info["error"])
    samples = pcm.astype(np.float32) / np.float32(audio.PCM_SCALE)
    return Decoded(samples=samples, **info)


def _answer(data: bytes, max_duration_ms: int) -> tuple[dict[str, Any], bytes]:
    try:
        decoded = audio.decode_bytes(data, max_duration_ms)
    except DecodeError as error:
        return {"error": str(error)}, b""
    info = {
        "container": decoded.container,
        "codec": decoded.codec,
        "sample_rate": decoded.sample_rate,
        "channels": decoded.channels,
    }
    return info, audio.to_pcm16(decoded.samples).tobytes()


def _lock_down() -> None:
    # PyAV imports stream classes when it meets them, and could not any more; no file but stdin, stdout and
    # stderr can be opened after this, hence no socket either.
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.startswith("av.__"):
            importlib.import_module(module.name)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read_exactly(stream: Any, num_bytes: int) -> bytes:
    file: BinaryIO = stream
    data = file.read(num_bytes)
    if len(data) < num_bytes:
        raise EOFError(f"expected {num_bytes} bytes, got {len(data)}")
    return data


if __name__ == "__main__":
    main()
