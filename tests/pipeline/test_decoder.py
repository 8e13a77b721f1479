"""The child decodes as the parent would, can open nothing, and its death costs one recording."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline import audio, decoder
from pipeline.audio import SAMPLE_RATE, DecodeError
from pipeline.decoder import MEMORY_BYTES, Decoder

TONE = (np.sin(np.arange(SAMPLE_RATE) / 10) * 0.5).astype(np.float32)
FLAC = audio.to_flac(TONE)
MINUTES = audio.to_flac(np.tile(TONE, 20 * 60))
LIMIT_MS = 24 * 3600 * 1000
# Everything that would give a locked-down process a file, a socket, a process or its limits back.
ATTEMPTS = """
import os, resource, select, socket, subprocess, threading
attempts = {
    "file": lambda: open("/etc/passwd"),
    "directory": lambda: os.listdir("/"),
    "socket": socket.socket,
    "pair": socket.socketpair,
    "pipe": os.pipe,
    "copy": lambda: os.dup(0),
    "memory file": lambda: os.memfd_create("x"),
    "poll": select.epoll,
    "fork": os.fork,
    "process": lambda: subprocess.run(["true"]),
    "thread": lambda: threading.Thread(target=print).start(),
    "limit": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9)),
    "root": lambda: os.setuid(0),
}
from pipeline import decoder
decoder.lock_down(decoder.MEMORY_BYTES)
for name, attempt in attempts.items():
    if name == "root" and os.getresuid() == (0, 0, 0):
        continue
    try:
        attempt()
    except (OSError, ValueError, RuntimeError):
        continue
    print(name)
"""


@pytest.fixture
def own() -> Iterator[Decoder]:
    one = Decoder()
    yield one
    one.close()


def child_of(one: Decoder) -> int:
    assert one._child is not None
    return one._child.pid


def test_the_child_gives_what_decoding_here_gives() -> None:
    here, there = audio.decode_bytes(FLAC, 60_000), decoder.decode(FLAC)
    assert there.pcm_sha256 == here.pcm_sha256
    assert (there.codec, there.sample_rate, there.channels) == ("flac", SAMPLE_RATE, 1)


def test_one_child_serves_many_recordings_good_and_bad(own: Decoder) -> None:
    own.decode(FLAC, LIMIT_MS, 60.0)
    first = child_of(own)
    with pytest.raises(DecodeError, match="flac does not decode"):
        own.decode(b"fLaC" + bytes(1000), LIMIT_MS, 60.0)
    with pytest.raises(DecodeError, match="longer than 10 ms"):
        own.decode(FLAC, 10, 60.0)
    assert own.decode(FLAC, LIMIT_MS, 60.0).duration_ms == 1000
    assert child_of(own) == first


def test_a_hanging_child_is_one_error_and_the_next_recording_decodes(own: Decoder) -> None:
    own.decode(FLAC, LIMIT_MS, 60.0)
    os.kill(child_of(own), signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(DecodeError, match=r"the decoder gave no answer in 0\.5 s"):
        own.decode(FLAC, LIMIT_MS, 0.5)
    assert time.monotonic() - started < 10
    assert own.decode(FLAC, LIMIT_MS, 60.0).duration_ms == 1000


def test_a_crash_while_decoding_is_one_error_and_the_next_recording_decodes(own: Decoder) -> None:
    own.decode(FLAC, LIMIT_MS, 60.0)
    victim = child_of(own)
    crash = threading.Timer(0.05, os.kill, (victim, signal.SIGSEGV))
    crash.start()
    with pytest.raises(DecodeError, match=r"the decoder died on it \(SIGSEGV\)"):
        own.decode(MINUTES, LIMIT_MS, 60.0)
    crash.join()
    assert own.decode(FLAC, LIMIT_MS, 60.0).duration_ms == 1000
    assert child_of(own) != victim


def test_too_much_memory_is_one_error_and_the_next_recording_decodes() -> None:
    small = Decoder(memory_bytes=768 << 20)
    assert small.decode(FLAC, LIMIT_MS, 60.0).duration_ms == 1000
    with pytest.raises(DecodeError, match=r"the decoder gave up on it \(exit 1; it may use 768 MiB\)"):
        small.decode(FLAC + bytes(700 << 20), LIMIT_MS, 60.0)
    assert small.decode(FLAC, LIMIT_MS, 60.0).duration_ms == 1000
    small.close()


def test_memory_that_a_file_asks_for_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(audio, "decode_blocks", greedy)
    assert decoder._answer(FLAC, LIMIT_MS, sys.stdout.buffer) == {
        "error": "its decoding needs more memory than the decoder may use"
    }


def test_a_child_that_died_idle_is_replaced(own: Decoder) -> None:
    own.decode(FLAC, LIMIT_MS, 60.0)
    assert own._child is not None
    own._child.kill()
    own._child.wait()
    assert own.decode(FLAC, LIMIT_MS, 60.0).duration_ms == 1000


def test_the_locked_down_child_can_open_nothing_and_get_nothing_back() -> None:
    done = subprocess.run([sys.executable, "-c", ATTEMPTS], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_the_running_child_has_three_files_no_secrets_and_its_limits(
    own: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    own.decode(FLAC, LIMIT_MS, 60.0)
    process = Path("/proc") / str(child_of(own))
    assert b"canary" not in (process / "environ").read_bytes()
    assert sorted(os.listdir(process / "fd")) == ["0", "1", "2"]
    limits = re.sub(" +", " ", (process / "limits").read_text())
    for name, value in {"open files": 3, "processes": 0, "core file size": 0, "address space": MEMORY_BYTES}.items():
        assert f"Max {name} {value} {value}" in limits


def test_the_childs_memory_does_not_grow_with_the_recording(own: Decoder) -> None:
    own.decode(FLAC, LIMIT_MS, 60.0)
    status = Path("/proc") / str(child_of(own)) / "status"

    def peak_mib() -> int:
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) >> 10

    before = peak_mib()
    # 20 minutes are 37 MiB as 16-bit samples.
    assert own.decode(MINUTES, LIMIT_MS, 60.0).duration_ms == 20 * 60 * 1000
    assert peak_mib() - before < len(MINUTES) / (1 << 20) + 8
