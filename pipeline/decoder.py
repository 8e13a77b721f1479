"""Decode untrusted audio in a child process that can open no file and no socket.

One child serves many recordings; a crash, a hang or too much memory costs the child and one DecodeError. The child
gets bytes on stdin and answers on stdout; it never sees a path or a URL, nor this process's environment. It answers
in blocks, so that it holds the file's bytes and little more, however long the recording.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO

import av
import numpy as np

from pipeline import audio
from pipeline.audio import SAMPLES_PER_MS, Decoded, DecodeError, Facts, Pcm

MAX_DURATION_MS = 24 * 3600 * 1000
MEMORY_BYTES = 4 << 30  # address space: 0.9 GiB of libraries, the file, FFmpeg's buffers (measured 2026-11)
TIMEOUT_S = 600.0
_QUESTION = struct.Struct("<QQ")
_LENGTH = struct.Struct("<I")
_NOBODY = 65_534
_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH")


class Decoder:
    """A decoding child, started when first needed and replaced when it dies."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        """Start nothing yet."""
        self._memory_bytes = memory_bytes
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def decode(self, data: bytes, max_duration_ms: int, timeout_s: float) -> Decoded:
        """Decode one recording; DecodeError when it cannot be, whatever happened to the child."""
        with self._lock:
            child = self._running_child()
            is_late = threading.Event()
            watch = threading.Timer(timeout_s, lambda: (is_late.set(), child.kill()))
            watch.start()
            try:
                return _ask(child, data, max_duration_ms)
            except (BrokenPipeError, EOFError) as error:
                code = child.wait()
                cause = f"gave no answer in {timeout_s:g} s" if is_late.is_set() else self._cause(code)
                raise DecodeError(f"the decoder {cause}") from error
            finally:
                watch.cancel()
                watch.join()
                if is_late.is_set() or child.poll() is not None:
                    self.close()

    def close(self) -> None:
        """Stop the child."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in filter(None, (child.stdin, child.stdout)):
            with suppress(BrokenPipeError):  # what it did not read any more
                pipe.close()

    def _running_child(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self.close()
        if self._child is None:
            environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
            self._child = subprocess.Popen(
                [sys.executable, "-m", "pipeline.decoder", str(self._memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        return self._child

    def _cause(self, code: int) -> str:
        if code < 0:
            return f"died on it ({signal.Signals(-code).name})"
        return f"gave up on it (exit {code}; it may use {self._memory_bytes >> 20} MiB)"


_SHARED = Decoder()


def decode(data: bytes, max_duration_ms: int = MAX_DURATION_MS, timeout_s: float = TIMEOUT_S) -> Decoded:
    """Decode one recording in this process's child; DecodeError when it cannot be."""
    if audio.sniff(data) is None:
        raise DecodeError(
            f"no known audio container starts with {data[:8]!r}; expected one of {sorted(audio.DEMUXERS)}"
        )
    return _SHARED.decode(data, max_duration_ms, timeout_s)


def main(memory_bytes: int) -> None:
    """Serve decoding requests on stdin until it closes."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    lock_down(memory_bytes)
    while select.select([source], [], [])[0]:
        head = source.read(_QUESTION.size)
        if not head:
            return
        num_bytes, max_duration_ms = _QUESTION.unpack(head)
        text = json.dumps(_answer(_read_exactly(source, num_bytes), max_duration_ms, sink)).encode()
        sink.write(_LENGTH.pack(0) + _LENGTH.pack(len(text)) + text)
        sink.flush()


def lock_down(memory_bytes: int) -> None:
    """Give up what a decoder has no use for: files, sockets, processes, memory without end, the rights of root."""
    # PyAV imports stream classes when it meets them, and could not any more.
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.startswith("av.__"):
            importlib.import_module(module.name)
    limits = {
        resource.RLIMIT_NOFILE: 3,  # stdin, stdout, stderr: no file can be opened, hence no socket either
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: memory_bytes,
    }
    for name, value in limits.items():
        resource.setrlimit(name, (value, value))
    if os.geteuid() == 0:
        # Root could raise them again; a root that may not become somebody else (in a user namespace) cannot.
        with suppress(OSError):
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _ask(child: subprocess.Popen[bytes], data: bytes, max_duration_ms: int) -> Decoded:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(_QUESTION.pack(len(data), max_duration_ms))
    child.stdin.write(data)
    child.stdin.flush()
    pcm = bytearray()
    while num_bytes := _read_length(child.stdout):
        pcm += _read_exactly(child.stdout, num_bytes)
        assert len(pcm) <= max_duration_ms * SAMPLES_PER_MS * 2, "the child keeps to the limit"
    info: dict[str, Any] = json.loads(_read_exactly(child.stdout, _read_length(child.stdout)))
    if "error" in info:
        raise DecodeError(info["error"])
    return audio.assemble(np.frombuffer(pcm, dtype=np.int16), Facts(**info))


def _answer(data: bytes, max_duration_ms: int, sink: BinaryIO) -> dict[str, Any]:
    """Write the samples in blocks, each after its length; return what else there is to say."""

    def write(pcm: Pcm) -> None:
        if len(pcm):
            sink.write(_LENGTH.pack(pcm.nbytes) + pcm.tobytes())

    try:
        return asdict(audio.decode_blocks(data, max_duration_ms, write))
    except DecodeError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "its decoding needs more memory than the decoder may use"}


def _read_length(stream: Any) -> int:
    return _LENGTH.unpack(_read_exactly(stream, _LENGTH.size))[0]


def _read_exactly(stream: Any, num_bytes: int) -> bytes:
    file: BinaryIO = stream
    data = file.read(num_bytes)
    if len(data) < num_bytes:
        raise EOFError(f"expected {num_bytes} bytes, got {len(data)}")
    return data


if __name__ == "__main__":
    main(int(sys.argv[1]))
