"""Spoil a take on purpose: one function a defect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pipeline.sources.embedded.captions import Cue, write_captions
from pipeline.sources.embedded.room import background
from pipeline.sources.embedded.take import Take

PUNCTUATION = str.maketrans("", "", ".,።፣")
LOOP_LENGTH = 4
STRETCH = 1.6
SILENCE_RMS = 1e-4  # -80 dBFS
NOISE_RMS = 0.01  # -40 dBFS
FLAC_HEADER_BYTES = 30  # FLAC's own header takes 42
GARBAGE_BYTES = 20_000
ERROR_PAGE = "<!DOCTYPE html>\n<html><head><title>404</title></head><body><h1>Not found</h1></body></html>\n"
CP1252_GAPS = bytes.fromhex("81 8d 8f 90 9d")  # undefined in Windows-1252; browsers pass them through

Edit = Callable[[Take, np.random.Generator], Take]


def unchanged(take: Take, _rng: np.random.Generator) -> Take:
    """Leave the take as it is: good ones, and those spoilt by what they are given to say or to show."""
    return take


def lower_case(take: Take, _rng: np.random.Generator) -> Take:
    """Write as some recognisers do: no capitals, no punctuation."""
    return _reworded(take, lambda text: text.translate(PUNCTUATION).lower())


def upper_case(take: Take, _rng: np.random.Generator) -> Take:
    """Write as older recognisers do: capitals only, no punctuation."""
    return _reworded(take, lambda text: text.translate(PUNCTUATION).upper())


def loop(take: Take, _rng: np.random.Generator) -> Take:
    """Say the first line over and over, as a recogniser caught in a loop."""
    line = " ".join([take.cues[0].text] * LOOP_LENGTH)
    return _reworded(take, lambda _text: line)


def outrun(take: Take, _rng: np.random.Generator) -> Take:
    """Stretch the captions' clock until they go on after the audio has ended."""
    late = (replace(cue, start_ms=int(cue.start_ms * STRETCH), end_ms=int(cue.end_ms * STRETCH)) for cue in take.cues)
    return replace(take, cues=tuple(late))


def mojibake(take: Take, _rng: np.random.Generator) -> Take:
    """Save UTF-8 captions that were read as Windows-1252."""
    utf8 = write_captions(take.cues, take.text_format).encode()
    misread = (chr(byte) if byte in CP1252_GAPS else bytes([byte]).decode("cp1252") for byte in utf8)
    return replace(take, captions="".join(misread))


def reencoded(take: Take, _rng: np.random.Generator) -> Take:
    """Publish in another format."""
    return replace(take, audio_format="m4a" if take.audio_format == "mp3" else "mp3")


def silence(take: Take, rng: np.random.Generator) -> Take:
    """Caption an audio track in which nothing is heard."""
    return replace(take, samples=background(len(take.samples), SILENCE_RMS, rng), spoken=())


def noise_empty_captions(take: Take, rng: np.random.Generator) -> Take:
    """Publish a place's noise with a caption file that says nothing."""
    return replace(take, samples=background(len(take.samples), NOISE_RMS, rng), spoken=(), cues=())


def noise_no_captions(take: Take, rng: np.random.Generator) -> Take:
    """Publish a place's noise with no caption file."""
    return replace(noise_empty_captions(take, rng), is_linked=False, is_published=False)


def missing_captions(take: Take, _rng: np.random.Generator) -> Take:
    """Link captions that are not there."""
    return replace(take, is_published=False)


def truncated_header(take: Take, _rng: np.random.Generator) -> Take:
    """Cut the audio file within its header."""
    flac = replace(take, audio_format="flac")
    return _spoilt(flac, flac.audio_bytes()[:FLAC_HEADER_BYTES])


def random_bytes(take: Take, rng: np.random.Generator) -> Take:
    """Serve noise that is no audio format at all."""
    return _spoilt(take, rng.bytes(GARBAGE_BYTES))


def html_page(take: Take, _rng: np.random.Generator) -> Take:
    """Serve an error page, with status 200, where the audio should be."""
    return _spoilt(take, ERROR_PAGE.encode())


def empty_file(take: Take, _rng: np.random.Generator) -> Take:
    """Serve an audio file of no bytes."""
    return _spoilt(take, b"")


def _spoilt(take: Take, audio: bytes) -> Take:
    return replace(take, audio=audio, spoken=())


def _reworded(take: Take, reword: Callable[[str], str]) -> Take:
    cues = (Cue(start_ms=cue.start_ms, end_ms=cue.end_ms, text=reword(cue.text)) for cue in take.cues)
    return replace(take, cues=tuple(cues))
