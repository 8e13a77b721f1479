"""Read captions of any origin: the format is found by content, never by name, with the damage they have on the web."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from pipeline.segment import charset, origin
from pipeline.segment.cue import Caption, Cue, Draft, Reading, Unreadable
from pipeline.segment.formats import (
    ass,
    foreign,
    html,
    json_segments,
    lrc,
    plain,
    sbv,
    srt,
    ttml,
    webvtt,
    youtube_json3,
    youtube_srv,
)
from pipeline.segment.joining import is_word_level, join_words
from pipeline.segment.rolling import is_rolling, unroll

MAX_BYTES = 20 << 20
MAX_CUES = 200_000  # a day of two cues a second
# Who cannot give his cue an end speaks no slower than this; Chinese subtitles run at four to nine.
_MIN_CHARS_PER_S = 3
# Images and data that players show while audio runs (thumbnail and metadata tracks).
_NO_SPEECH = re.compile(r"\S+\.(?:jpe?g|png|webp|gif)(?:[#?]\S*)?|\{.*\}", re.IGNORECASE | re.DOTALL)

# From what can only be this format to what any text can be; each returns None for what is not its own.
_READERS: tuple[tuple[str, Callable[[str], Reading | None]], ...] = (
    ("webvtt", webvtt.read),
    ("ttml", ttml.read),
    ("youtube_srv", youtube_srv.read),
    ("html", html.read),
    ("youtube_json3", youtube_json3.read),
    ("json", json_segments.read),
    ("foreign", foreign.read),
    ("ass", ass.read),
    ("srt", srt.read),
    ("sbv", sbv.read),
    ("lrc", lrc.read),
    ("text", plain.read),
)


def parse(data: bytes) -> Caption:
    """Read a caption file; cues come sorted by start and may overlap. Never raises."""
    if len(data) > MAX_BYTES:
        return Caption(status="not_captions", detail=f"{len(data)} bytes; a caption has at most {MAX_BYTES}")
    text = charset.decode(data)
    if not text.strip("\ufeff \t\r\n"):
        return Caption(status="empty", detail="no text")
    try:
        foreign.refuse_binary(text)
        return _caption(*_read(text))
    except Unreadable as error:
        return Caption(status=error.status, detail=str(error))


def take(data: bytes) -> Caption:
    """Take a text for the words of its recording because its source says so; nothing is sniffed. Never raises."""
    text = charset.decode(data[:MAX_BYTES]).strip("\ufeff \t\r\n")
    if not text:
        return Caption(status="empty", detail="no text")
    return _untimed("text", Reading(text=text))


def _read(text: str) -> tuple[str, Reading]:
    for name, read in _READERS:
        reading = read(text)
        if reading is not None:
            return name, reading
    raise AssertionError("plain text is the last reader, and reads or raises")


def _caption(name: str, reading: Reading) -> Caption:
    if len(reading.drafts) > MAX_CUES:
        raise Unreadable("unparsable", f"{len(reading.drafts)} cues; a caption has at most {MAX_CUES}")
    if reading.text:
        return _untimed(name, reading)
    spoken = [draft for draft in reading.drafts if draft.text]
    cues = _timed(draft for draft in spoken if draft.start_ms is not None)
    num_lost = len(spoken) - len(cues)
    if not cues:
        status = "unparsable" if num_lost else "empty"
        detail = f"{num_lost} cues, none with possible times" if num_lost else "no cue has text"
        return Caption(status=status, format=name, num_lost=num_lost, detail=detail)
    if sum(bool(_NO_SPEECH.fullmatch(cue.text)) for cue in cues) * 2 > len(cues):
        raise Unreadable("not_captions", f"a track of images or data: {cues[0].text[:60]!r}")
    rolls = is_rolling(cues)
    clean, has_marks = origin.strip_speakers(unroll(cues) if rolls else cues)
    if (rolls or reading.is_pieces) and is_word_level(clean):
        clean = join_words(clean)
    flat = [_flat(cue) for cue in clean if cue.text]
    return Caption(
        status="ok",
        format=name,
        cues=tuple(flat),
        num_lost=num_lost,
        detail=f"{num_lost} cues have impossible times" if num_lost else None,
        origin=origin.origin(reading, flat, rolls, has_marks),
    )


def _flat(cue: Cue) -> Cue:
    return replace(cue, text=cue.text.replace("\n", " ")) if "\n" in cue.text else cue


def _untimed(name: str, reading: Reading) -> Caption:
    text, num_names = origin.strip_names(reading.text)
    evidence = replace(origin.origin(reading, (), False, num_names > 0), num_speakers=num_names)
    return Caption(status="untimed", format=name, text=text, detail="text without times", origin=evidence)


def _timed(drafts: Iterable[Draft]) -> list[Cue]:
    """Return cues sorted by start; one without an end lasts until the next, or as long as slow speech would."""
    rows = sorted(drafts, key=lambda draft: (draft.start_ms or 0, draft.end_ms or 0))
    return [_cue(row, rows[index + 1 : index + 2]) for index, row in enumerate(rows)]


def _cue(draft: Draft, following: Sequence[Draft]) -> Cue:
    assert draft.start_ms is not None, "cues without a time are counted, not made"
    end_ms = draft.end_ms
    if end_ms is None:
        end_ms = draft.start_ms + 1000 + len(draft.text) * 1000 // _MIN_CHARS_PER_S
        end_ms = min([end_ms, *(row.start_ms for row in following if row.start_ms is not None)])
    return Cue(start_ms=draft.start_ms, end_ms=end_ms, text=draft.text, speaker=draft.speaker)
