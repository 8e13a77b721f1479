"""The frames FFmpeg makes of an audio file in memory: rate, channels and length as they are, not as headers say.

Time is a player's. What a container says is encoder delay or filling is cut off (LAME's tag in mp3, edit lists in mp4,
pre-skip in Opus); what none says stays: AAC in ADTS is one frame late everywhere. A damaged packet becomes silence of
its length, so that what follows keeps its time.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

MIN_RATE, MAX_RATE = 4_000, 384_000
# Containers may ask for any of FFmpeg's decoders; these, and PCM, are what recordings use.
CODECS = frozenset(
    {"aac", "aac_latm", "ac3", "adpcm_ima_wav", "adpcm_ms", "alac", "amr_nb", "amr_wb", "eac3", "flac", "mp1", "mp2"}
    | {"mp3", "opus", "speex", "vorbis"}
)
_MAX_DAMAGED_SHARE = 0.05  # of the packets; a cut start or end damages one or two
_MAX_FRAME_SAMPLES = 65_535  # FLAC's; no codec has longer frames
_MAX_FILLING_SAMPLES = 4_096  # ALAC's frames; AAC's have 1024 or 2048
_CHUNK_SAMPLES = 1 << 16  # below that, calls of numpy cost more than they do


class DecodeError(Exception):
    """Audio that cannot be decoded; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Consecutive samples, `planes` a row for each channel, float32 with full scale at 1."""

    codec: str
    rate: int
    planes: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Samples as a codec gives them: a row for each channel, or one row in which channels take turns."""

    rate: int
    channels: int
    values: NDArray[Any]

    @property
    def kind(self) -> tuple[int, int, int, str]:
        return self.rate, self.channels, len(self.values), self.values.dtype.str


def chunks(data: bytes, demuxer: str) -> Iterator[Chunk]:
    """Yield the sound of the file's first audio stream; DecodeError says why there is none, or no more."""
    try:
        # metadata_errors: a title in a strange encoding is no reason to refuse a recording.
        with av.open(io.BytesIO(data), format=demuxer, metadata_errors="ignore") as file:
            if not file.streams.audio:
                raise DecodeError(f"{demuxer} has no audio stream")
            stream = file.streams.audio[0]
            codec = _codec(stream)
            joined = (Chunk(codec=codec, rate=rate, planes=planes) for rate, planes in _joined(_frames(file, stream)))
            yield from _without_filling(joined, stream) if demuxer == "mov" else joined
    except (av.error.FFmpegError, ValueError, EOFError) as error:
        raise DecodeError(f"{demuxer} does not decode: {error}") from error


def _codec(stream: Any) -> str:
    context = stream.codec_context
    name = str(context.codec.canonical_name) if context else "an unknown codec"
    if name not in CODECS and not name.startswith("pcm_"):
        raise DecodeError(f"the audio is {name}; expected PCM or one of {sorted(CODECS)}")
    context.thread_count = 1
    return name


def _frames(file: Any, stream: Any) -> Iterator[_Frame]:
    num_packets = num_damaged = 0
    last: _Frame | None = None
    for packet in file.demux(stream):
        num_packets += 1
        try:
            found = [_frame(frame) for frame in packet.decode() if frame.samples]
        except av.error.FFmpegError:
            num_damaged += 1
            found = [_silence(packet, last)] if last else []
        for last in found:
            yield last
    if num_damaged > max(1, _MAX_DAMAGED_SHARE * num_packets):
        raise DecodeError(f"{num_damaged} of {num_packets} packets are damaged")


def _frame(frame: Any) -> _Frame:
    rate = int(frame.sample_rate)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise DecodeError(f"a sample rate of {rate} Hz; expected {MIN_RATE} to {MAX_RATE}")
    return _Frame(rate=rate, channels=int(frame.layout.nb_channels), values=frame.to_ndarray())


def _silence(packet: Any, like: _Frame) -> _Frame:
    """Return silence as long as a packet says it lasts, within what a packet can."""
    num_samples = min(int((packet.duration or 0) * (packet.time_base or 0) * like.rate), _MAX_FRAME_SAMPLES)
    row = num_samples * like.channels // len(like.values)
    middle = 128 if like.values.dtype == np.uint8 else 0
    return replace(like, values=np.full((len(like.values), row), middle, dtype=like.values.dtype))


def _joined(frames: Iterator[_Frame]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield rate and planes of frames of one kind, joined."""
    for _, alike in groupby(frames, key=lambda frame: frame.kind):
        group: list[_Frame] = []
        num_values = 0
        for frame in alike:
            group.append(frame)
            num_values += frame.values.shape[1]
            if num_values >= _CHUNK_SAMPLES:
                yield _planes(group)
                group, num_values = [], 0
        if group:
            yield _planes(group)


def _planes(group: list[_Frame]) -> tuple[int, NDArray[np.float32]]:
    values = np.concatenate([frame.values for frame in group], axis=1)
    if len(values) < group[0].channels:
        values = values.reshape(-1, group[0].channels).T
    with np.errstate(over="ignore"):  # doubles beyond float32 become infinite, which is looked for later
        planes = values.astype(np.float32, order="C")
    if values.dtype == np.uint8:
        planes -= 128
    if values.dtype.kind in "iu":
        planes /= 1 << 8 * values.itemsize - 1
    return group[0].rate, planes


def _without_filling(chunks: Iterator[Chunk], stream: Any) -> Iterator[Chunk]:
    """Cut the end where the header says the sound ends, if that is within the last frame: FFmpeg leaves it whole."""
    num_samples = 0
    last: Chunk | None = None
    for chunk in chunks:
        if last:
            yield last
        last = chunk
        num_samples += chunk.planes.shape[1]
    if last:
        excess = num_samples - round((stream.duration or 0) * stream.time_base * last.rate)
        num_kept = last.planes.shape[1] - (excess if 0 < excess <= _MAX_FILLING_SAMPLES else 0)
        if num_kept > 0:
            yield replace(last, planes=last.planes[:, :num_kept])
