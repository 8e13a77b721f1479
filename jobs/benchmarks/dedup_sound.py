"""Sound prints over what happens to audio on the web: which copies are found, what is found that is none, the cost."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import soxr  # pyright: ignore[reportMissingTypeStubs]

from pipeline.audio import SAMPLE_RATE, DecodeError, Samples, decode_bytes
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.kernels import U64
from pipeline.dedup.sound import Codes, sound_codes
from pipeline.dedup.sound_match import align, sound_keys
from pipeline.sources.embedded.perform import perform
from pipeline.sources.embedded.plan import plan_corpus

MAX_MS = 10_000_000
HALF_S = SAMPLE_RATE // 2
MAX_S = 60
Distort = Callable[[Samples, Samples], Samples]


def sound_lines(folder: str | None, config: DedupConfig) -> Iterator[str]:
    """Yield a Markdown table, a distortion a line: copies found, and recordings taken for one that they are not."""
    originals = [*_synthetic(), *(_recordings(folder) if folder else ())]
    start_s = time.process_time()
    prints = [sound_codes(samples) for samples in originals]
    spent_s = time.process_time() - start_s
    keys = [sound_keys(codes) for codes in prints]
    hours = sum(map(len, originals)) / SAMPLE_RATE / 3600
    yield ""
    yield f"| distortion of {len(originals)} recordings, {hours:.2f} h | recall | precision | least equal bits |"
    yield "|---|---|---|---|"
    every = _Tally()
    for name, distort in DISTORTIONS.items():
        tally = _Tally()
        for number, samples in enumerate(originals):
            before = (number - 1) % len(originals)
            found = _found(sound_codes(distort(samples, originals[before])), prints, keys, config)
            tally.add(found, number, before)
        every.join(tally)
        yield tally.line(name)
    yield every.line(f"all {every.num_copies} copies")
    yield f"| ms of CPU an hour of audio | {1000 * spent_s / hours:.0f} | | |"


class _Tally:
    """How many copies were found, how alike, and how many other recordings were."""

    def __init__(self) -> None:
        self.num_copies = self.num_false = 0
        self.found: list[float] = []

    def add(self, similar: Mapping[int, float], original: int, before: int) -> None:
        """Count what is like a copy of an original; some copies hold the recording `before` it, too."""
        self.num_copies += 1
        self.found += [similar[original]] if original in similar else []
        self.num_false += len(set(similar) - {original, before})

    def join(self, other: _Tally) -> None:
        """Count what another has counted."""
        self.num_copies += other.num_copies
        self.num_false += other.num_false
        self.found += other.found

    def line(self, name: str) -> str:
        """Return a line of the table."""
        num, least = len(self.found), min(self.found, default=0)
        return f"| {name} | {num / self.num_copies:.3f} | {num / max(1, num + self.num_false):.3f} | {least:.3f} |"


def _found(copy: Codes, prints: Sequence[Codes], keys: Sequence[U64], config: DedupConfig) -> dict[int, float]:
    """Return the recordings that share a key with a copy and match it, with the share of equal bits."""
    own = sound_keys(copy)
    likely = [number for number, theirs in enumerate(keys) if len(np.intersect1d(own, theirs, assume_unique=True))]
    matches = {number: align(prints[number], copy, config.max_sound_error) for number in likely}
    return {
        number: match.similarity for number, match in matches.items() if match.coverage >= config.min_sound_coverage
    }


def _synthetic() -> Iterator[Samples]:
    plans = [plan for plan in plan_corpus(0, 0.3) if plan.duplicate_of is None]
    for take in map(perform, plans):
        if np.abs(take.samples).max(initial=0) > 0.05:
            yield take.samples


def _recordings(folder: str) -> Iterator[Samples]:
    for path in sorted(Path(folder).iterdir()):
        try:
            yield decode_bytes(path.read_bytes(), MAX_MS).samples[: MAX_S * SAMPLE_RATE]
        except DecodeError:
            continue


def _encoded(container: str, encoder: str, bits_per_second: int, rate: int = SAMPLE_RATE) -> Distort:
    def distort(samples: Samples, _other: Samples) -> Samples:
        sink = io.BytesIO()
        with av.open(sink, "w", format=container) as file:
            stream: Any = file.add_stream(encoder, rate=rate, layout="mono", bit_rate=bits_per_second)
            resampled = np.clip(soxr.resample(samples, SAMPLE_RATE, rate), -1, 1).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(resampled[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, 0
            context = stream.codec_context
            shape = av.AudioResampler(context.format.name, "mono", rate, frame_size=context.frame_size or None)
            for piece in (*shape.resample(frame), *shape.resample(None)):
                file.mux(stream.encode(piece))
            file.mux(stream.encode(None))
        return decode_bytes(sink.getvalue(), MAX_MS).samples

    return distort


def _telephone(samples: Samples, _other: Samples) -> Samples:
    return soxr.resample(soxr.resample(samples, SAMPLE_RATE, SAMPLE_RATE // 2), SAMPLE_RATE // 2, SAMPLE_RATE)


def _published_again(samples: Samples, other: Samples) -> Samples:
    """Trim, shift by part of a frame, band-limit, lower and encode: everything at once."""
    shifted = np.concatenate([np.zeros(5_000, np.float32), _telephone(samples[HALF_S + 77 :], other) * 0.7])
    return _encoded("mp3", "libmp3lame", 32_000)(shifted, other)


DISTORTIONS: dict[str, Distort] = {
    "mp3, 32 kbit/s": _encoded("mp3", "libmp3lame", 32_000),
    "Opus, 24 kbit/s": _encoded("ogg", "libopus", 24_000, 48_000),
    "Opus, 12 kbit/s": _encoded("ogg", "libopus", 12_000),
    "AAC, 32 kbit/s": _encoded("adts", "aac", 32_000),
    "+3 dB, clipped": lambda samples, _: np.clip(samples * 1.4125, -1, 1),
    "-3 dB": lambda samples, _: samples * np.float32(0.708),
    "begins 0.5 s later": lambda samples, _: np.concatenate([np.zeros(HALF_S, np.float32), samples]),
    "begins 0.5 s earlier": lambda samples, _: samples[HALF_S:],
    "trimmed by a tenth at both ends": lambda samples, _: samples[len(samples) // 10 : -(len(samples) // 10)],
    "8 kHz": _telephone,
    "inside a recording twice as long": lambda samples, other: np.concatenate([other, samples]),
    "trimmed, shifted, 8 kHz, -3 dB, mp3 32 kbit/s": _published_again,
}
