"""What was said in a recording and when, and the files it is written to: text, SRT, WebVTT, TSV, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

MS_PER_HOUR, MS_PER_MINUTE, MS_PER_SECOND = 3_600_000, 60_000, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word as it stands in the text, marks around it included; `prob` is the mean probability of its tokens."""

    start_ms: int
    end_ms: int
    text: str
    prob: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What was said between two times, and how sure the model was of its window."""

    start_ms: int
    end_ms: int
    text: str
    tokens: tuple[int, ...]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A whole recording; `lang_prob` is None where the language was given."""

    lang: str
    lang_prob: float | None
    duration_ms: int
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """Everything said, one line a segment."""
        return "\n".join(segment.text for segment in self.segments)


def to_text(transcript: Transcript) -> str:
    """Write the text, a line for each segment."""
    return transcript.text + "\n" if transcript.segments else ""


def to_srt(transcript: Transcript) -> str:
    """Write SubRip cues."""
    cues = enumerate(transcript.segments, start=1)
    return "\n".join(f"{number}\n{_span(cue, ',')}\n{_escaped(cue.text)}\n" for number, cue in cues)


def to_vtt(transcript: Transcript) -> str:
    """Write WebVTT; a word's start stands before it where words were timed."""
    cues = (f"{_span(cue, '.')}\n{_vtt_text(cue)}\n" for cue in transcript.segments)
    return "\n".join(["WEBVTT\n", *cues])


def to_tsv(transcript: Transcript) -> str:
    """Write a table of start, end (ms) and text."""
    rows = (f"{one.start_ms}\t{one.end_ms}\t{' '.join(one.text.split())}" for one in transcript.segments)
    return "\n".join(["start\tend\ttext", *rows]) + "\n"


def to_json(transcript: Transcript) -> str:
    """Write everything that is known."""
    document: dict[str, Any] = asdict(transcript)
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


WRITERS: Mapping[str, Callable[[Transcript], str]] = {
    "txt": to_text,
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": to_tsv,
    "json": to_json,
}


def _span(segment: Segment, mark: str) -> str:
    return f"{_clock(segment.start_ms, mark)} --> {_clock(segment.end_ms, mark)}"


def _clock(ms: int, mark: str) -> str:
    hours, rest = divmod(ms, MS_PER_HOUR)
    minutes, rest = divmod(rest, MS_PER_MINUTE)
    seconds, rest = divmod(rest, MS_PER_SECOND)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{rest:03d}"


def _vtt_text(segment: Segment) -> str:
    if not segment.words:
        return _vtt_escaped(segment.text)
    first, *others = segment.words
    timed = (f"<{_clock(word.start_ms, '.')}>{_vtt_escaped(word.text)}" for word in others)
    return "".join([_vtt_escaped(first.text.lstrip()), *timed])


def _vtt_escaped(text: str) -> str:
    return _escaped(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _escaped(text: str) -> str:
    """Keep text from being taken for times."""
    return text.replace("-->", "->")
