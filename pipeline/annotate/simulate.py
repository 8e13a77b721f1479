"""Simulate captions in the styles of people and of recognisers, to train and test what tells them apart.

Made, not collected: a style is what its makers' manuals and many files of the kind have in common. Each is a function
from timed speech to lines, and the same generator gives the same lines.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import yaml

from pipeline.annotate import scripts
from pipeline.annotate.style import FILLERS, Line

_NUMBER = re.compile(r"\[([^|\]]+)\|([^\]]+)\]")
_SPACED = re.compile(r"\S*\[[^\]]+\]\S*|\S+")
_UNSPACED = re.compile(r"\[[^\]]+\]|[\w\s]{1,3}[^\w\s\[]*|[^\w\s\[]+")
_MARKS = re.compile(r"[^\w\s'’ ́֏ऀ-෿]|[।॥]")
_SOFT_MARKS = re.compile(r"[;:—–…\"“”«»„()「」『』；：፤]")
_CLAUSE_END = re.compile(r"[.,!?;:…。、，！？።፣،؟।]['\"”»」]*$")
_TAGS = ("[Music]", "(laughter)", "[Applause]", "♪")
_NAMES = ("Anna", "Host", "Dr. Lee", "Speaker 2")
_PAUSE_MS = (150, 1400)
_CHAR_MS = (55.0, 85.0)  # 12 to 18 characters a second
_FRAMES_PER_S = (23.976, 24.0, 25.0, 29.97, 1000.0)  # what editors' clocks step in; 1000 is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A spoken word as a careful person writes it, its number also in digits; `is_last` ends its sentence."""

    start_ms: int
    end_ms: int
    text: str
    digits: str
    is_last: bool
    is_filler: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """What is said in a recording; `glue` stands between words: nothing in scripts without spaces."""

    words: tuple[Word, ...]
    glue: str

    def without_fillers(self) -> list[Word]:
        """Return the words a recogniser writes: it leaves hesitations out."""
        return [word for word in self.words if not word.is_filler]


Cut = list[list[Word]]
Style = Callable[[Speech, np.random.Generator], list[Line]]


@functools.cache
def phrases() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return each language's sentences: those to train with, those to test with."""
    raw = yaml.safe_load((files("pipeline.annotate") / "assets" / "phrases.yaml").read_text("utf-8"))
    rows: dict[str, list[str]] = {lang: [line.strip() for line in block.split("~")] for lang, block in raw.items()}
    return {lang: (tuple(row[: len(row) // 2]), tuple(row[len(row) // 2 :])) for lang, row in rows.items()}


def speak(sentences: Sequence[str], lang: str, rng: np.random.Generator) -> Speech:
    """Say sentences one after the other, with pauses and, as some speakers do, with fillers."""
    spaced = scripts.spaces_words(scripts.dominant(" ".join(sentences)))
    sentences = _varied(sentences, spaced, rng)
    fillers = FILLERS.get(lang, "").split() if spaced else []
    filler_share = float(rng.choice([0.0, 0.03, 0.1])) if fillers else 0.0
    char_ms, now_ms = rng.uniform(*_CHAR_MS), int(rng.integers(200, 3000))
    words: list[Word] = []
    for sentence in sentences:
        now_ms += int(rng.integers(*_PAUSE_MS))
        for piece, is_last, is_filler in _said(sentence, spaced, fillers, filler_share, rng):
            spelled, digits = _NUMBER.sub(r"\1", piece), _NUMBER.sub(r"\2", piece)
            end_ms = now_ms + max(80, int(len(spelled) * char_ms * rng.uniform(0.8, 1.25)))
            words.append(
                Word(start_ms=now_ms, end_ms=end_ms, text=spelled, digits=digits, is_last=is_last, is_filler=is_filler)
            )
            now_ms = end_ms + int(rng.integers(0, 60))
    return Speech(words=tuple(words), glue=" " if spaced else "")


def verbatim(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A transcriber's sentences, hesitations and all, sometimes with speakers."""
    named = rng.random() < 0.4
    lines = _lines(_sentences(speech.words), speech.glue, _human_times(rng), _writes_digits(rng))
    return [
        _with_text(line, f"{rng.choice(_NAMES)}: {line.text}") if named and rng.random() < 0.4 else line
        for line in lines
    ]


def subtitles(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A subtitler's lines: short, cut at clauses, on a frame clock, without hesitations, some sounds noted."""
    words = [word for word in speech.words if not word.is_filler]
    cut = _clauses(words, int(rng.integers(37, 75)), speech.glue)
    lines = _lines(cut, speech.glue, _frame_times(rng), _writes_digits(rng))
    return _with_tags(lines, 0.04, rng) if rng.random() < 0.5 else lines


def broadcast(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A stenographer's capitals with marks, a chevron at each change of speaker, 32 columns."""
    lines = _lines(_filled(list(speech.words), 32, speech.glue), speech.glue, _frame_times(rng))
    return [_with_text(line, (">> " if rng.random() < 0.2 else "") + line.text.upper()) for line in lines]


def read_aloud(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A reader's script: a sentence a cue, times exact to the millisecond."""
    cut = _sentences([word for word in speech.words if not word.is_filler])
    return _lines(cut, speech.glue, _exact_times, _writes_digits(rng))


def transcript(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A published transcript: paragraphs of some sentences with times on whole seconds."""
    sentences = _sentences(speech.words)
    size = int(rng.integers(2, 5))
    paragraphs = [sum(sentences[at : at + size], start=list[Word]()) for at in range(0, len(sentences), size)]
    times = _touching_times if rng.random() < 0.5 else _exact_times
    return [_rounded(line, 1000) for line in _lines(paragraphs, speech.glue, times, _writes_digits(rng))]


def amateur(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A volunteer's captions: cut at clauses, final stops and some capitals forgotten."""
    cut = _clauses(list(speech.words), int(rng.integers(40, 90)), speech.glue)
    lines = _lines(cut, speech.glue, _human_times(rng), _writes_digits(rng))
    forgetful = rng.uniform(0.2, 0.6)
    dropped = [line.text.rstrip(".。።।,") if rng.random() < forgetful else line.text for line in lines]
    return [
        _with_text(line, words[:1].lower() + words[1:] if rng.random() < forgetful / 3 else words)
        for line, words in zip(lines, dropped, strict=True)
    ]


def bare_lower(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A recogniser's normalised words: no capitals, no marks, numbers spelled; cut by pauses or by size."""
    words = speech.without_fillers()
    cut = (
        _pauses(words, int(rng.integers(300, 700)))
        if rng.random() < 0.5
        else _by_number(words, int(rng.integers(6, 14)))
    )
    return [_with_text(line, _bare(line.text).lower()) for line in _lines(cut, speech.glue, _exact_times)]


def bare_upper(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """An older recogniser's: capitals, no marks."""
    return [_with_text(line, line.text.upper()) for line in bare_lower(speech, rng)]


def rolling_auto(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A video site's automatic captions, unrolled: lines filled to a width that touch, no marks, [Music]."""
    cut = _filled(speech.without_fillers(), int(rng.integers(32, 46)), speech.glue)
    lines = [_with_text(line, _bare(line.text).lower()) for line in _lines(cut, speech.glue, _touching_times)]
    return [_with_text(line, f"[Music] {line.text}") if rng.random() < 0.02 else line for line in lines]


def whisper_sentences(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """Whisper's segments: cased, marked, numbers in digits, touching, on a clock of 20 ms or of whole seconds."""
    step_ms = int(rng.choice([20, 20, 1000]))
    cut = _clauses(speech.without_fillers(), int(rng.integers(60, 110)), speech.glue)
    lines = _lines(cut, speech.glue, _touching_times, use_digits=True)
    return [_rounded(_with_text(line, _plain_marks(line.text)), step_ms) for line in lines]


def service_marked(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A paid recogniser's captions: cased and marked, cut wherever the line is full, numbers in digits."""
    cut = _filled(speech.without_fillers(), int(rng.choice([32, 42, 64, 84])), speech.glue)
    times = _exact_times if rng.random() < 0.5 else _touching_times
    return [_with_text(line, _plain_marks(line.text)) for line in _lines(cut, speech.glue, times, use_digits=True)]


def service_bare(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A recogniser that knows names but no marks."""
    cut = _by_number(speech.without_fillers(), int(rng.integers(7, 16)))
    return [_with_text(line, _bare(line.text)) for line in _lines(cut, speech.glue, _exact_times, use_digits=True)]


HUMAN: dict[str, Style] = {
    style.__name__: style for style in (verbatim, subtitles, broadcast, read_aloud, transcript, amateur)
}
MACHINE: dict[str, Style] = {
    style.__name__: style
    for style in (bare_lower, bare_upper, rolling_auto, whisper_sentences, service_marked, service_bare)
}


Times = Callable[[list[Word], int | None], tuple[int, int]]  # words of a line, start of the next


def _varied(sentences: Sequence[str], spaced: bool, rng: np.random.Generator) -> list[str]:
    """Vary sentences as documents do: some use plain marks only, some speak in fragments without stops."""
    is_plain, is_cut = rng.random() < 0.5, rng.random() < 0.5
    varied: list[str] = []
    for sentence in sentences:
        pieces = sentence.split()
        if is_cut and spaced and rng.random() < 0.5:
            sentence = " ".join(pieces[: int(rng.integers(1, len(pieces) + 1))]).rstrip(",;:—")
            sentence = sentence.rstrip(".።।") if rng.random() < 0.5 else sentence
        varied.append(_SOFT_MARKS.sub("", sentence) if is_plain else sentence)
    return varied


def _said(
    sentence: str, spaced: bool, fillers: Sequence[str], filler_share: float, rng: np.random.Generator
) -> Iterator[tuple[str, bool, bool]]:
    """Yield pieces with whether each ends the sentence and whether it is a filler."""
    pieces = (_SPACED if spaced else _UNSPACED).findall(sentence)
    for index, piece in enumerate(pieces):
        if rng.random() < filler_share:
            yield f"{rng.choice(fillers)},", False, True
        yield piece, index == len(pieces) - 1, False


def _sentences(words: Sequence[Word]) -> Cut:
    return _cut(words, lambda group, _: group[-1].is_last)


def _clauses(words: Sequence[Word], width: int, glue: str) -> Cut:
    """Cut at the ends of sentences, at other marks once half full, and where the line is full."""

    def is_break(group: list[Word], following: Word) -> bool:
        size = _size(group, glue)
        at_mark = bool(_CLAUSE_END.search(group[-1].text))
        return group[-1].is_last or (at_mark and size > width // 2) or size + len(following.text) > width

    return _cut(words, is_break)


def _filled(words: Sequence[Word], width: int, glue: str) -> Cut:
    return _cut(words, lambda group, following: _size(group, glue) + len(following.text) > width)


def _by_number(words: Sequence[Word], number: int) -> Cut:
    return _cut(words, lambda group, _: len(group) >= number)


def _pauses(words: Sequence[Word], pause_ms: int) -> Cut:
    return _cut(words, lambda group, after: after.start_ms - group[-1].end_ms > pause_ms or len(group) > 18)


def _cut(words: Sequence[Word], is_break: Callable[[list[Word], Word], bool]) -> Cut:
    groups: Cut = []
    for word in words:
        if not groups or is_break(groups[-1], word):
            groups.append([])
        groups[-1].append(word)
    return groups


def _size(group: Sequence[Word], glue: str) -> int:
    return len(glue.join(word.text for word in group))


def _lines(cut: Cut, glue: str, times: Times, use_digits: bool = False) -> list[Line]:
    lines: list[Line] = []
    for group, following in zip(cut, [*cut[1:], None], strict=True):
        start_ms, end_ms = times(group, following[0].start_ms if following else None)
        words = glue.join(word.digits if use_digits else word.text for word in group)
        lines.append(Line(start_ms=start_ms, end_ms=max(end_ms, start_ms + 1), text=words))
    return lines


def _exact_times(group: list[Word], next_ms: int | None) -> tuple[int, int]:
    del next_ms
    return group[0].start_ms, group[-1].end_ms


def _touching_times(group: list[Word], next_ms: int | None) -> tuple[int, int]:
    return group[0].start_ms, group[-1].end_ms if next_ms is None else next_ms


def _loose_times(rng: np.random.Generator) -> Times:
    """Set times by hand: a little early, held a little longer, never over the next line."""

    def times(group: list[Word], next_ms: int | None) -> tuple[int, int]:
        start_ms = max(0, group[0].start_ms - int(rng.integers(0, 120)))
        end_ms = group[-1].end_ms + int(rng.integers(0, 500))
        return start_ms, end_ms if next_ms is None else min(end_ms, max(start_ms, next_ms - 130))

    return times


def _frame_times(rng: np.random.Generator) -> Times:
    """Set times on an editor's frames, two frames at least between lines."""
    frame_ms = 1000 / float(rng.choice(_FRAMES_PER_S))

    def times(group: list[Word], next_ms: int | None) -> tuple[int, int]:
        start_ms = int(round(group[0].start_ms / frame_ms) * frame_ms)
        end_ms = group[-1].end_ms + int(rng.integers(100, 900))
        end_ms = end_ms if next_ms is None else min(end_ms, next_ms - 84)
        return start_ms, int(round(end_ms / frame_ms) * frame_ms)

    return times


def _human_times(rng: np.random.Generator) -> Times:
    """Set times as one person does: by hand mostly, or with an editor that snaps or closes the gaps."""
    return (_loose_times(rng), _loose_times(rng), _frame_times(rng), _exact_times, _touching_times)[
        int(rng.integers(5))
    ]


def _writes_digits(rng: np.random.Generator) -> bool:
    return bool(rng.random() < 0.4)


def _with_tags(lines: Sequence[Line], share: float, rng: np.random.Generator) -> list[Line]:
    return [_with_text(line, f"{rng.choice(_TAGS)} {line.text}") if rng.random() < share else line for line in lines]


def _rounded(line: Line, step_ms: int) -> Line:
    start_ms, end_ms = (round(time_ms / step_ms) * step_ms for time_ms in (line.start_ms, line.end_ms))
    return Line(start_ms=start_ms, end_ms=max(end_ms, start_ms + step_ms), text=line.text)


def _with_text(line: Line, words: str) -> Line:
    return Line(start_ms=line.start_ms, end_ms=line.end_ms, text=words)


def _bare(words: str) -> str:
    return " ".join(_MARKS.sub("", words).split()) if " " in words else _MARKS.sub("", words)


def _plain_marks(words: str) -> str:
    """Leave commas, stops and questions only: recognisers hardly write the rest."""
    return _SOFT_MARKS.sub("", words)
