"""The child decodes as the parent would, can open nothing, and its death costs one recording."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from pipeline import audio, decoder
from pipeline.audio import SAMPLE_RATE, DecodeError
from pipeline.decoder import Decoder

TONE = (np.sin(np.arange(SAMPLE_RATE) / 10) * 0.5).astype(np.float32)


def test_the_child_gives_what_decoding_here_gives() -> None:
    data = audio.to_flac(TONE)
    here, there = audio.decode_bytes(data, 60_000), decoder.decode(data)
    assert there.pcm_sha256 == here.pcm_sha256
    assert (there.codec, there.sample_rate, there.channels) == ("flac", SAMPLE_RATE, 1)


def test_a_killed_child_is_one_error_and_the_next_recording_decodes() -> None:
    own = Decoder()
    own.decode(audio.to_flac(TONE), 60_000, 60.0)
    assert own._child is not None
    os.kill(own._child.pid, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(DecodeError, match="the decoder died on it"):
        own.decode(audio.to_flac(TONE), 60_000, 0.5)
    assert time.monotonic() - started < 10
    assert own.decode(audio.to_flac(TONE), 60_000, 60.0).duration_ms == 1000
    own.close()


def test_the_locked_down_child_can_open_no_file_and_no_socket() -> None:
    code = (
        "import socket\nfrom pipeline import decoder\ndecoder._lock_down()\nfailed = []\n"
        "for attempt in (lambda: open('/etc/passwd'), socket.socket):\n"
        "    try:\n        attempt()\n    except OSError as error:\n        failed.append(error.errno)\n"
        "print(failed)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[24, 24]"
