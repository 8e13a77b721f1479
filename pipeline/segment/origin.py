"""Gather what a caption says of its own making: credits of tools, marks of speakers. Verbatim; nothing is judged."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline.segment.cue import Cue, Origin, Reading

_MAX_CREDIT_CHARS = 200
_EDGE_LINES = 3  # credits stand at the start or the end
_SERVICES = (
    r"amara\.org|assembly ?ai|auphonic|aws transcribe|azure|castmagic|deepgram|descript|gladia|google|happy ?scribe|"
    r"kapwing|microsoft|otter\.ai|rev\.(?:com|ai)|riverside|simon ?says|sonix|speechmatics|subtitle ?edit|temi|trint|"
    r"turboscribe|veed|verbit|whisper|youtube|zoom"
)
_MADE_BY = re.compile(
    r"\b(?:transcri(?:bed|ption|pt)|caption(?:ed|ing|s)|subtitle[ds]?|subtitling|sync(?:ed|hroni[sz]ed)?)"
    r"(?: \w+){0,2}? (?:by|with|using|from)\b.*",
    re.IGNORECASE,
)
_AUTOMATIC = re.compile(
    r".*\b(?:auto(?:matic(?:ally)?)?|machine|computer|ai)[- ](?:generated|transcri\w+|captioned|subtitled)\b.*",
    re.IGNORECASE,
)
_TOOL_LINE = re.compile(
    rf".*(?:\b(?:generated|created|produced|made|powered|exported) (?:\w+ )?(?:by|with|using)\b|\b(?:{_SERVICES})\b"
    r"|^\[(?:re|tool|by):).*",
    re.IGNORECASE,
)
# 'Sarah: ', 'SPEAKER 2: ', 'Dr. O'Neil: ': up to four capitalised words.
_CAPITAL = r"[A-Z\u00c0-\u00de\u0400-\u042f]"
_NAME = re.compile(rf"({_CAPITAL}[\w.'’-]{{0,24}}(?: (?:{_CAPITAL}|\d)[\w.'’-]{{0,24}}){{0,3}}):\s+")
_MIN_RECURRENCE = 2
_CHANGE = re.compile(r"\s*(?:>{2,3}|&gt;&gt;)\s*|\s*[-–—] ?(?=\S)")
_CHEVRONS = re.compile(r"^\s*>{2,3}\s*")


def strip_speakers(cues: Sequence[Cue]) -> tuple[list[Cue], bool]:
    """Move 'NAME: ' at the start of lines to the cue's speaker, drop '>>'; also tell whether there were any marks.

    A name is one that starts lines at least twice: 'Note: ' said once is speech.
    """
    names = _recurring([cue.text for cue in cues])
    has_marks = bool(names) or any(_CHANGE.match(cue.text) for cue in cues)
    stripped: list[Cue] = []
    for cue in cues:
        text = _CHEVRONS.sub("", cue.text)
        name = _NAME.match(text)
        if name and name[1] in names:
            cue, text = replace(cue, speaker=cue.speaker or name[1]), text[name.end() :]
        stripped.append(cue if text == cue.text else replace(cue, text=text))
    return stripped, has_marks


def strip_names(text: str) -> tuple[str, int]:
    """Drop 'NAME: ' from the lines of a text without times; also return how many names there were."""
    lines = text.split("\n")
    names = _recurring(lines)
    kept = [line[name.end() :] if (name := _NAME.match(line)) and name[1] in names else line for line in lines]
    return "\n".join(kept), len(names)


def origin(reading: Reading, cues: Sequence[Cue], is_rolling: bool, has_marks: bool) -> Origin:
    """Return the evidence; `cues` as they are after their speakers were stripped."""
    lines = [cue.text for cue in cues] or reading.text.split("\n")
    edges = lines if len(lines) <= 2 * _EDGE_LINES else [*lines[:_EDGE_LINES], *lines[-_EDGE_LINES:]]
    automatic = _first(_AUTOMATIC, [*reading.notes, *edges])
    tool = _first(_TOOL_LINE, reading.notes) or _first(_MADE_BY, [*reading.notes, *edges]) or automatic
    return Origin(
        lang=reading.lang,
        auto_mark=reading.auto_mark or automatic,
        tool=tool,
        has_inline_timing=reading.has_inline_timing,
        is_rolling=is_rolling,
        num_speakers=len({cue.speaker for cue in cues if cue.speaker}),
        has_speaker_marks=has_marks,
    )


def _recurring(lines: Iterable[str]) -> set[str]:
    counts = Counter(match[1] for line in lines if (match := _NAME.match(_CHEVRONS.sub("", line))))
    return {name for name, count in counts.items() if count >= _MIN_RECURRENCE}


def _first(pattern: re.Pattern[str], lines: Iterable[str]) -> str | None:
    """Return the first matching part of the lines, cut to a length worth storing."""
    for line in lines:
        if match := pattern.search(line[:1000]):
            return " ".join(match[0].split())[:_MAX_CREDIT_CHARS]
    return None
