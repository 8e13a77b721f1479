"""The listening room: drawn windows with their sound, as much as a number of bytes allows.

A clip is the beginning of its window, as mp3, which every browser plays; the words can be judged by it, fine sound
cannot. Bytes go round the groups, a clip each, so that a rare reason is heard as well as a common one.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import soundfile as sf  # pyright: ignore[reportMissingTypeStubs]

from pipeline import decoder, store
from pipeline.audio import SAMPLE_RATE, SAMPLES_PER_MS, DecodeError, Pcm
from pipeline.report.samples import Window
from pipeline.report.spectrogram import spectrogram_png

MAX_CLIP_MS = 12_000
MAX_RECORDING_MS = 2 * 3_600_000  # longer ones cost too much to decode for some seconds of them
CLIPS_PER_GROUP = 6
MP3_QUALITY = 0.7  # 0 is best, 1 is smallest: about 25 kbit/s of speech

Load = Callable[[str], Pcm]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A window with its sound and picture as data addresses; both '' and `silence` the reason where there is none."""

    window: Window
    clip_ms: int
    audio: str
    picture: str
    silence: str

    @property
    def num_bytes(self) -> int:
        """What it adds to a page."""
        return len(self.audio) + len(self.picture)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The clips of a page, and how many windows were drawn of how many bytes allowed."""

    clips: tuple[Clip, ...]
    num_drawn: int
    max_bytes: int


def furnish(drawn: Mapping[str, Sequence[Window]], load: Load, max_bytes: int) -> Room:
    """Cut clips until the bytes are used up, one of each group in turn; windows without sound cost none."""
    clips: list[Clip] = []
    left = max_bytes
    for window in _in_turn(drawn):
        clip = cut(window, load)
        if clip.num_bytes <= left:
            left -= clip.num_bytes
            clips.append(clip)
    return Room(clips=tuple(clips), num_drawn=sum(map(len, drawn.values())), max_bytes=max_bytes)


def cut(window: Window, load: Load) -> Clip:
    """Cut a window's beginning out of its recording, with a picture."""
    try:
        pcm = load(window.sha256)[window.start_ms * SAMPLES_PER_MS :]
    except FileNotFoundError:
        return _mute(window, "its audio is not stored any more")
    except DecodeError as error:
        return _mute(window, str(error))
    clip_ms = min(window.end_ms - window.start_ms, MAX_CLIP_MS, len(pcm) // SAMPLES_PER_MS)
    if clip_ms <= 0:
        return _mute(window, "its audio ends before it")
    pcm = pcm[: clip_ms * SAMPLES_PER_MS]
    return Clip(
        window=window,
        clip_ms=clip_ms,
        audio=_data_url("audio/mpeg", to_mp3(pcm)),
        picture=_data_url("image/png", spectrogram_png(pcm)),
        silence="",
    )


def loader(blobs_uri: str) -> Load:
    """Return what reads and decodes a recording by its sha256; the last one is remembered."""
    last: dict[str, Pcm] = {}

    def load(sha256: str) -> Pcm:
        if sha256 not in last:
            last.clear()
            data = store.read_bytes(store.blob_uri(blobs_uri, sha256))
            last[sha256] = decoder.decode(data, max_duration_ms=MAX_RECORDING_MS).pcm
        return last[sha256]

    return load


def to_mp3(pcm: Pcm) -> bytes:
    """Encode 16 kHz mono samples for a page."""
    sink = io.BytesIO()
    sf.write(  # pyright: ignore[reportUnknownMemberType]
        sink,
        pcm,
        SAMPLE_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=MP3_QUALITY,
        bitrate_mode="VARIABLE",
    )
    return sink.getvalue()


def _in_turn(drawn: Mapping[str, Sequence[Window]]) -> Iterator[Window]:
    for number in range(CLIPS_PER_GROUP):
        for windows in drawn.values():
            yield from windows[number : number + 1]


def _mute(window: Window, why: str) -> Clip:
    return Clip(window=window, clip_ms=window.end_ms - window.start_ms, audio="", picture="", silence=why)


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
