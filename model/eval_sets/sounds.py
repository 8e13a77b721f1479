"""Sounds in which nobody speaks, made from seeds: whatever a model writes down for them it has invented."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from model.eval_sets.items import NO_LANGUAGE, CaptionReader, EvalItem
from pipeline.audio import SAMPLE_RATE, Samples
from pipeline.errors import UserError

Rng = np.random.Generator
LEVEL = 0.1  # root mean square: -20 dB of full scale
_SCALE = (0, 3, 5, 7, 10)  # minor pentatonic, in half tones: no draw of it is out of tune
_NOTE_S = (0.2, 0.3, 0.4, 0.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundSet:
    """`num_each` windows of each kind of sound, `duration_s` long."""

    num_each: int
    duration_s: float
    name: str = "sounds"

    def __post_init__(self) -> None:
        if self.num_each < 1 or self.duration_s < 1:
            raise UserError(
                f"sounds of num_each={self.num_each} and duration_s={self.duration_s} are none to hear; "
                "expected 1 or more of each; try 8 and 10"
            )

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield the windows; the kind of sound is their source."""
        for kind in SOUNDS:
            for number in range(self.num_each):
                yield EvalItem(
                    item_id=f"{kind}-{number}",
                    recording_id=f"{kind}-{number}",
                    source=kind,
                    lang=NO_LANGUAGE,
                    task="no_speech",
                    text="",
                    hear=functools.partial(make_sound, kind, number, self.duration_s),
                )


def make_sound(kind: str, number: int, duration_s: float) -> Samples:
    """Return one of the sounds, the same for the same number."""
    digest = hashlib.sha256(f"{kind}/{number}".encode()).digest()
    made = SOUNDS[kind](np.random.default_rng(int.from_bytes(digest[:8], "big")), round(duration_s * SAMPLE_RATE))
    level = float(np.sqrt(np.mean(np.square(made))))
    wanted = LEVEL if kind != "silence" else level
    return (made * (wanted / max(level, 1e-9))).astype(np.float32)


def _silence(rng: Rng, size: int) -> Samples:
    """Make what a switched-on microphone hears of nothing: -80 dB."""
    return rng.standard_normal(size, dtype=np.float32) * np.float32(1e-4)


def _white(rng: Rng, size: int) -> Samples:
    return rng.standard_normal(size, dtype=np.float32)


def _brown(rng: Rng, size: int) -> Samples:
    """Make wind and traffic: power falls with the square of the frequency, from 20 Hz on."""
    spectrum = np.fft.rfft(rng.standard_normal(size))
    spectrum /= np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 20.0)
    return np.fft.irfft(spectrum, size).astype(np.float32)


def _hum(rng: Rng, size: int) -> Samples:
    """Make the mains: 50 or 60 Hz with overtones, over faint noise."""
    time_s = np.arange(size) / SAMPLE_RATE
    base = float(rng.choice((50.0, 60.0)))
    tones = sum(np.sin(2 * np.pi * base * k * time_s + rng.uniform(0, 2 * np.pi)) / k for k in range(1, 9))
    return (tones + 0.02 * rng.standard_normal(size)).astype(np.float32)


def _music(rng: Rng, size: int) -> Samples:
    """Make two plucked voices over a scale, notes of some lengths."""
    return _voice(rng, size, 110.0) + _voice(rng, size, 330.0)


def _voice(rng: Rng, size: int, root_hz: float) -> Samples:
    made, start = np.zeros(size, dtype=np.float32), 0
    while start < size:
        count = min(int(float(rng.choice(_NOTE_S)) * SAMPLE_RATE), size - start)
        time_s = np.arange(count) / SAMPLE_RATE
        pitch_hz = root_hz * 2 ** ((int(rng.choice(_SCALE)) + 12 * int(rng.integers(2))) / 12)
        tone = sum(np.sin(2 * np.pi * pitch_hz * k * time_s) / k**1.5 for k in range(1, 6))
        made[start : start + count] = tone * np.exp(-4 * time_s)
        start += count
    return made


SOUNDS: Mapping[str, Callable[[Rng, int], Samples]] = {
    "silence": _silence,
    "white": _white,
    "brown": _brown,
    "hum": _hum,
    "music": _music,
}
