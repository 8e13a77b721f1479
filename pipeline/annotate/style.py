"""The style of a caption as numbers: casing, marks, wording, timing; null where its script or its size shows nothing.

Nothing here names a language's words but the fillers, so that a style reads alike in every script.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline import text
from pipeline.annotate import scripts

MIN_LINES, MIN_WORDS = 4, 30  # fewer show no habit
MIN_CASED_WORDS = 12
_TOUCHING_MS = 20  # one step of Whisper's clock (its paper, section 2.3)
_STOPS = ".!?…。！？।॥۔؟።፧՜՞։"
_STOP_END = re.compile(rf"[{_STOPS}][\"'”’»)\]」』]*$")
_MARK_END = re.compile(rf"[{_STOPS},;:،؛、，；：፣፤፥—–-][\"'”’»)\]」』]*$")
_SENTENCE_START = re.compile(rf"(?<=[{_STOPS}])[\"'”’»)\]]*\s+[\"'“‘«(\[¿¡-]*\s*(\w)")
_COMMA = re.compile(r"[,،、，፣](?!\d)")
_ASKED = re.compile(r"[?!？！؟፧՞]")
# Recognisers hardly write these; dashes and ellipses they do (2026-11: Whisper, four times as many as people).
_RARE = re.compile(r"[;；؛፤“”«»„\"「」『』()]|:(?!\d)")
_DIGIT = re.compile(r"\d")
_INNER_STOP = re.compile(rf"[^\W\d][{_STOPS}]+[\"'”’»)\]」』]*\s*[¿¡\"'“‘«(\[]*\w")
_GAP = re.compile(r"[^\W\d_a-zA-Z]\s+[^\W\d_a-zA-Z]")
_LONG_COLUMNS = 90  # two lines of 42 characters and some; subtitlers' manuals stop there
_MARKLESS = frozenset({"Thai", "Laoo"})  # a line without mark and space is as likely a person's
_FEW_STARTS = 0.01
_MANY_WORDS = 250  # people write eight rare marks in a thousand words: none in fewer shows nothing
# What people say while they think; other languages use the same letters for words (Portuguese "um").
FILLERS = {
    "en": "um uh erm hmm uhm mm",
    "es": "eh em mmm",
    "fr": "euh hein bah",
    "de": "äh ähm hm",
    "pt": "hã ahn hum",
    "it": "ehm eh mh",
    "nl": "eh ehm uhm",
    "ru": "э-э эм ммм",
    "tr": "ee şey hım",
    "sw": "aa mmh",
    "am": "እ እም",
    "ar": "اه امم",
    "hi": "अं हम्म",
    "ja": "えー あの えっと",
    "ko": "음 어",
    "zh": "嗯 呃",
    "th": "เอ่อ อืม",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One cue of a whole recording: its times in the recording and its text on one line."""

    start_ms: int
    end_ms: int
    text: str


def style(lines: Sequence[Line], lang: str | None) -> dict[str, float | None]:
    """Measure a document; everything is null with fewer than MIN_LINES lines or MIN_WORDS words."""
    script = scripts.dominant(" ".join(line.text for line in lines))
    spaced = scripts.spaces_words(script)
    words = [text.words(line.text, spaced) for line in lines]
    if len(lines) < MIN_LINES or sum(map(len, words)) < MIN_WORDS:
        return dict.fromkeys(NAMES)
    flat = [word for row in words for word in row]
    texts = [line.text for line in lines]
    return {
        **_casing(texts, flat),
        **_marks(texts, flat, script),
        **_wording(texts, flat, lang),
        **_layout(texts, words, script),
        **_timing(lines, words),
    }


NAMES = (
    "capital_ratio",
    "upper_ratio",
    "lower_start_ratio",
    "comma_per_word",
    "question_per_word",
    "rare_mark_per_word",
    "bare_line_ratio",
    "stop_end_ratio",
    "mark_end_ratio",
    "inner_stop_ratio",
    "digit_ratio",
    "filler_ratio",
    "tag_ratio",
    "words_per_line",
    "full_ratio",
    "long_line_ratio",
    "line_space_ratio",
    "line_mark_ratio",
    "line_chars_cv",
    "cue_ms_cv",
    "touching_ratio",
    "round_ratio",
    "grid_ratio",
)


def cased_words(words: Sequence[str]) -> list[str]:
    """Return the words that have case; none where they are too few, or names and formulas in a script without."""
    cased = [word for word in words if word.upper() != word.lower()]
    return cased if len(cased) >= max(MIN_CASED_WORDS, len(words) / 2) else []


def _casing(texts: Sequence[str], words: Sequence[str]) -> dict[str, float | None]:
    cased = cased_words(words)
    if not cased:
        return dict.fromkeys(("capital_ratio", "upper_ratio", "lower_start_ratio"))
    long = [word for word in cased if sum(map(str.isalpha, word)) > 1]
    starts = [match[1] for match in _SENTENCE_START.finditer(" ".join(texts))]
    letters = [char for char in starts if char.upper() != char.lower()]
    few = _FEW_STARTS * len(words)  # where hardly a stop is, those there are stand in names and numbers
    return {
        "capital_ratio": _share(next(filter(str.isalpha, word)).isupper() for word in cased),
        "upper_ratio": _share(word.isupper() for word in long),
        "lower_start_ratio": _share(char.islower() for char in letters) if len(letters) > few else None,
    }


def _marks(texts: Sequence[str], words: Sequence[str], script: str | None) -> dict[str, float | None]:
    names = ("comma_per_word", "question_per_word", "rare_mark_per_word")
    lines = ("bare_line_ratio", "stop_end_ratio", "mark_end_ratio", "inner_stop_ratio")
    if script in scripts.WITHOUT_MARKS:
        return dict.fromkeys((*names, *lines))
    whole = "\n".join(text.without_sound_tags(line) for line in texts)
    commas, asked, rare = (len(pattern.findall(whole)) for pattern in (_COMMA, _ASKED, _RARE))
    return {
        "comma_per_word": commas / len(words),
        "question_per_word": asked / len(words),
        "rare_mark_per_word": rare / len(words) if rare or len(words) >= _MANY_WORDS else None,
        "bare_line_ratio": _share(text.sentence_marks(line) == 0 for line in texts),
        "stop_end_ratio": _share(bool(_STOP_END.search(line)) for line in texts),
        "mark_end_ratio": _share(bool(_MARK_END.search(line)) for line in texts),
        "inner_stop_ratio": _share(bool(_INNER_STOP.search(line)) for line in texts),
    }


def _wording(texts: Sequence[str], words: Sequence[str], lang: str | None) -> dict[str, float | None]:
    fillers = frozenset(FILLERS.get(lang or "", "").split())
    bare = (word.lower().rstrip(",.،…?!") for word in words)
    return {
        "digit_ratio": _share(bool(_DIGIT.search(word)) for word in words),
        "filler_ratio": _share(word in fillers for word in bare) if fillers else None,
        "tag_ratio": _share(text.without_sound_tags(line) != line for line in texts),
    }


def _timing(lines: Sequence[Line], words: Sequence[Sequence[str]]) -> dict[str, float | None]:
    starts = np.array([line.start_ms for line in lines])
    ends = np.array([line.end_ms for line in lines])
    gaps = starts[1:] - ends[:-1]
    clock = np.concatenate([starts, ends])
    return {
        "words_per_line": float(np.mean([len(row) for row in words])),
        "line_chars_cv": _variation(np.array([len(line.text) for line in lines])),
        "cue_ms_cv": _variation(ends - starts),
        "touching_ratio": float(np.mean(np.abs(gaps) <= _TOUCHING_MS)),
        "round_ratio": float(np.mean(clock % 1000 == 0)),
        "grid_ratio": float(np.mean(clock % 20 == 0)),
    }


def _layout(texts: Sequence[str], words: Sequence[Sequence[str]], script: str | None) -> dict[str, float | None]:
    """Measure how lines are filled, and what parts clauses where words are not spaced: a space, a mark or nothing."""
    spaced, has_marks = scripts.spaces_words(script), script not in _MARKLESS
    columns = np.array([sum(map(_columns, line)) for line in texts])
    return {
        "full_ratio": _full(texts, words, spaced),
        "long_line_ratio": float(np.mean(columns > _LONG_COLUMNS)),
        "line_space_ratio": None if spaced else _share(bool(_GAP.search(line)) for line in texts),
        "line_mark_ratio": _share(text.sentence_marks(line) > 0 for line in texts)
        if has_marks and not spaced
        else None,
    }


def _full(texts: Sequence[str], words: Sequence[Sequence[str]], spaced: bool) -> float | None:
    """Return the share of lines that had no room for the next line's first word within the document's usual width."""
    lengths = [len(line) for line in texts]
    width = float(np.percentile(lengths, 95))
    pairs = zip(lengths[:-1], words[1:], strict=True)
    return _share(length + len(row[0]) + spaced > width for length, row in pairs if row)


@functools.cache
def _columns(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _variation(values: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float | None:
    """Return the standard deviation in units of the mean; None where the mean is 0."""
    mean = float(values.mean())
    return float(values.std()) / mean if mean else None


def _share(flags: Iterable[bool]) -> float | None:
    known = list(flags)
    return sum(known) / len(known) if known else None
