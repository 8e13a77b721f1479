"""What a caption file holds: cues with times, or text without, and what the file says of how it was made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """A caption's text and the time it is shown; 0 <= start_ms <= end_ms.

    `confidence` is the probability that a text without times of its own lies there, or of its words where a model hears
    it there; None where its file says it.
    """

    start_ms: int
    end_ms: int
    text: str
    speaker: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A cue as its format gives it: lines of text without markup.

    `start_ms` is None where the times written cannot be; `end_ms` is None then, and where the format writes none.
    """

    start_ms: int | None
    end_ms: int | None
    text: str
    speaker: str | None = None


def between(start_ms: int | None, end_ms: int | None, text: str, speaker: str | None = None) -> Draft:
    """Return a cue of a format that writes both its times; without one, backwards or before zero it has none."""
    if start_ms is None or end_ms is None or end_ms < max(start_ms, 0):
        return Draft(start_ms=None, end_ms=None, text=text, speaker=speaker)
    return Draft(start_ms=max(start_ms, 0), end_ms=end_ms, text=text, speaker=speaker)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a format's reader found, before anything is judged.

    `notes` is text that is no cue (header, comments, metadata); `text` is a transcript without times. With
    `is_pieces`, cues may be single words that have to be joined. `auto_mark` is the container's own sign of a
    recogniser.
    """

    drafts: tuple[Draft, ...] = ()
    text: str = ""
    notes: tuple[str, ...] = ()
    lang: str | None = None
    auto_mark: str | None = None
    has_inline_timing: bool = False
    is_pieces: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Evidence of who or what wrote a caption, verbatim where it is text; nothing here is a verdict."""

    lang: str | None = None
    auto_mark: str | None = None
    tool: str | None = None
    has_inline_timing: bool = False
    is_rolling: bool = False
    num_speakers: int = 0
    has_speaker_marks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What a caption file holds. `status` is ok, untimed, empty, unparsable or not_captions.

    Cues are there only when ok, `text` only when untimed, `origin` when either. `num_lost` counts cues with text whose
    times are impossible: 99:99:99, an end before its start or zero.
    """

    status: str
    format: str | None = None
    cues: tuple[Cue, ...] = ()
    text: str = ""
    num_lost: int = 0
    detail: str | None = None
    origin: Origin | None = None


class Unreadable(Exception):
    """Bytes that are no caption; carries the caption's status, and the message says why."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
