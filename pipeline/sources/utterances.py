"""Utterances of one recording, from the rows of a manifest that name it: its caption, and what the rows say of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.sources.found import Found
from pipeline.suffixes import suffix_of

MAX_UTTERANCES = 200_000  # of one recording; the caption reader takes no more cues
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "valid", "validation", "val", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A row's text and where it is said; without an end it is the text of the whole file."""

    text: str
    start_ms: int = 0
    end_ms: int | None = None
    lang: str | None = None
    text_lang: str | None = None


@dataclass(slots=True, kw_only=True)
class Recording:
    """An audio file and what rows said of it so far; filled while a manifest is read."""

    place: str
    audio_url: str
    duration_ms: int | None = None
    num_impossible: int = 0  # rows whose times cannot be
    utterances: dict[Utterance, None] = field(default_factory=dict[Utterance, None])  # each once, in order

    def add(self, utterance: Utterance) -> None:
        """Add an utterance unless it is there, or no caption could hold it."""
        if len(self.utterances) < MAX_UTTERANCES:
            self.utterances[utterance] = None


def found_for(recording: Recording, about: Found, captioned_only: bool) -> Iterator[Found]:
    """Yield a recording with its caption in each language; `about` says what the rows do not."""
    where: dict[str, Any] = {"page_url": recording.place, "declared_duration_ms": recording.duration_ms}
    spoken = _usual(item.lang for item in recording.utterances) or about.declared_lang
    if recording.num_impossible and not recording.utterances:
        detail = f"{recording.num_impossible} rows of {recording.audio_url} have impossible times"
        yield replace(about, **where, status="bad_times", status_detail=detail)
    elif not recording.utterances and captioned_only:
        yield replace(about, **where, status="no_text", status_detail=f"{recording.audio_url}: no text")
    elif not recording.utterances:
        yield replace(about, **where, audio_url=recording.audio_url, declared_lang=spoken)
    for lang in dict.fromkeys(item.text_lang or spoken for item in recording.utterances):
        mine = [item for item in recording.utterances if (item.text_lang or spoken) == lang]
        inline, text_format = caption(mine)
        yield replace(
            about,
            **where,
            audio_url=recording.audio_url,
            text_inline=inline,
            text_format=text_format,
            declared_lang=spoken,
            declared_text_lang=None if lang == spoken else lang,
        )


def caption(utterances: Iterable[Utterance]) -> tuple[bytes, str]:
    """Write utterances as a caption: segments in JSON where all have times, else the text alone."""
    rows = sorted(utterances, key=lambda item: (item.start_ms, item.end_ms or 0))
    if any(item.end_ms is None for item in rows):
        return "\n".join(item.text for item in rows).encode("utf-8", "replace"), "text"
    segments = [
        {"startTime": item.start_ms / 1000, "endTime": (item.end_ms or 0) / 1000, "body": item.text} for item in rows
    ]
    return json.dumps({"segments": segments}, ensure_ascii=False).encode("utf-8", "replace"), "json"


def split_of(path: str) -> str | None:
    """Read a split off a path's file or folder names, the nearest to the file first: 'data/train-00000-of-00002'."""
    names = path.removesuffix(".gz").removesuffix(f".{suffix_of(path.removesuffix('.gz'))}").split("/")
    words = (word for name in reversed(names) for word in re.split(r"[^a-z]+", name.lower()))
    return next((SPLITS[word] for word in words if word in SPLITS), None)


def _usual(langs: Iterable[str | None]) -> str | None:
    counts = Counter(lang for lang in langs if lang)
    return counts.most_common(1)[0][0] if counts else None
