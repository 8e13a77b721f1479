"""Simulate captions in the styles of people and of recognisers, to train and test what tells them apart.

Made, not collected: a style is what its makers' manuals and many files of the kind have in common. Each is a function
from timed speech to lines, and the same generator gives the same lines.

Not here: cased and marked captions of paid recognisers, cut to a width: a captioning house's are the same.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files

import numpy as np
import yaml

from pipeline.annotate import cutting, scripts
from pipeline.annotate.cutting import Speech, Word
from pipeline.annotate.style import FILLERS, Line

_NUMBER = re.compile(r"\[([^|\]]+)\|([^\]]+)\]")
_SPACED = re.compile(r"\S*\[[^\]]+\]\S*|\S+")
_UNSPACED = re.compile(r"\[[^\]]+\]|[\w\s]{1,3}[^\w\s\[]*|[^\w\s\[]+")
_MARKS = re.compile(r"[^\w\s'’ ́֏ऀ-෿]|[।॥]")
_SOFT_MARKS = re.compile(r"[;:\"“”«»„()「」『』；：፤]")
_CLAUSE_MARKS = re.compile(r"[，、。]")
_TAGS = ("[Music]", "(laughter)", "[Applause]", "♪")
_NAMES = ("Anna", "Host", "Dr. Lee", "Speaker 2")
_PAUSE_MS = (150, 1400)
_CHAR_MS = (55.0, 85.0)  # 12 to 18 characters a second
_WHISPER_CLOCKS = (10, 20, 20, 40, 40, 500, 1000)  # its steps are of 20 ms; sizes and programs round them


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
    pieces = [piece for sentence in sentences for piece in _said(sentence, spaced, fillers, filler_share, rng)]
    paces = rng.uniform(*_CHAR_MS) * rng.uniform(0.8, 1.25, len(pieces))
    rests, pauses = rng.integers(0, 60, len(pieces)).tolist(), rng.integers(*_PAUSE_MS, len(pieces)).tolist()
    words: list[Word] = []
    now_ms = int(rng.integers(200, 3000))
    for (piece, is_last, is_filler), pace, rest, pause in zip(pieces, paces.tolist(), rests, pauses, strict=True):
        spelled, digits = (_NUMBER.sub(rf"\{group}", piece) if "[" in piece else piece for group in (1, 2))
        end_ms = now_ms + max(80, int(len(spelled) * pace))
        words.append(
            Word(start_ms=now_ms, end_ms=end_ms, text=spelled, digits=digits, is_last=is_last, is_filler=is_filler)
        )
        now_ms = end_ms + rest + pause * is_last
    return Speech(words=tuple(words), glue=" " if spaced else "")


def verbatim(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A transcriber's sentences, hesitations and all, sometimes with speakers."""
    lines = cutting.lines_of(
        cutting.by_sentence(speech.words), speech.glue, cutting.human_times(rng), _writes_digits(rng)
    )
    return _with_speakers(lines, f"{rng.choice(_NAMES)}: ", rng) if rng.random() < 0.4 else lines


def subtitles(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A subtitler's lines: short, cut at clauses, on a frame clock, without hesitations, some sounds noted."""
    cut = cutting.by_clause(speech.without_fillers(), cutting.line_width(37, 85, speech, rng), speech.glue)
    lines = cutting.lines_of(cut, speech.glue, cutting.frame_times(rng), _writes_digits(rng))
    lines = _own_marks(lines, speech.glue, rng)
    return _with_tags(lines, 0.04, rng) if rng.random() < 0.5 else lines


def translated(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A volunteer's translation on the times of a player's editor: long lines that touch, cut where the original is."""
    width, step_ms = cutting.line_width(40, 130, speech, rng), cutting.clock_ms(rng)
    cut = cutting.by_clause(speech.without_fillers(), width, speech.glue)
    lines = cutting.lines_of(cut, speech.glue, cutting.chained_times(rng), _writes_digits(rng))
    lines = [_rounded(line, step_ms) for line in _own_marks(lines, speech.glue, rng)]
    return _forgetful(lines, float(rng.choice([0.0, 0.0, 0.3])), rng)


def course(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A captioning house's blocks: two lines filled with words, touching, cased and marked, plain marks mostly."""
    cut = cutting.by_clause(
        speech.without_fillers(), cutting.line_width(56, 84, speech, rng), speech.glue, first=float(rng.uniform(0.5, 1))
    )
    lines = cutting.lines_of(cut, speech.glue, cutting.chained_times(rng), _writes_digits(rng))
    plain = rng.random() < 0.7
    step_ms = cutting.clock_ms(rng)
    return [_rounded(_with_text(line, _plain_marks(line.text)) if plain else line, step_ms) for line in lines]


def aligned(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A person's words on a machine's times: laid over the sound by an aligner, whose clock may be Whisper's."""
    cut = cutting.by_clause(speech.words, cutting.line_width(50, 100, speech, rng), speech.glue)
    lines = cutting.lines_of(cut, speech.glue, cutting.chained_times(rng), _writes_digits(rng))
    step_ms = int(rng.choice([10, 20, 40]))
    return [_rounded(line, step_ms) for line in _own_marks(lines, speech.glue, rng)]


def broadcast(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A stenographer's capitals with marks, a chevron at each change of speaker, 32 columns."""
    lines = cutting.lines_of(
        cutting.by_width(list(speech.words), 32, speech.glue), speech.glue, cutting.frame_times(rng)
    )
    return [_with_text(line, (">> " if rng.random() < 0.2 else "") + line.text.upper()) for line in lines]


def read_aloud(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A reader's script: a sentence a cue, times exact to the millisecond."""
    cut = cutting.by_sentence(speech.without_fillers())
    return cutting.lines_of(cut, speech.glue, cutting.exact_times, _writes_digits(rng))


def transcript(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A published transcript: paragraphs of some sentences with times on whole seconds."""
    sentences = cutting.by_sentence(speech.words)
    size = int(rng.integers(2, 5))
    paragraphs = [sum(sentences[at : at + size], start=list[Word]()) for at in range(0, len(sentences), size)]
    times = cutting.touching_times if rng.random() < 0.5 else cutting.exact_times
    return [_rounded(line, 1000) for line in cutting.lines_of(paragraphs, speech.glue, times, _writes_digits(rng))]


def amateur(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A volunteer's captions: cut at clauses, final stops and some capitals forgotten."""
    cut = cutting.by_clause(speech.words, cutting.line_width(40, 90, speech, rng), speech.glue)
    lines = cutting.lines_of(cut, speech.glue, cutting.human_times(rng), _writes_digits(rng))
    return _forgetful(_own_marks(lines, speech.glue, rng), rng.uniform(0.2, 0.6), rng)


def bare_lower(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A recogniser's normalised words: no capitals, no marks, numbers spelled; cut by pauses or by size."""
    words = speech.without_fillers()
    cut = (
        cutting.by_pause(words, int(rng.integers(300, 700)))
        if rng.random() < 0.5
        else cutting.by_number(words, int(rng.integers(6, 14)))
    )
    return [
        _with_text(line, _bare(line.text).lower()) for line in cutting.lines_of(cut, speech.glue, cutting.exact_times)
    ]


def bare_upper(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """An older recogniser's: capitals, no marks."""
    return [_with_text(line, line.text.upper()) for line in bare_lower(speech, rng)]


def rolling_auto(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A video site's automatic captions, unrolled: lines filled to a width that touch, no marks, [Music]."""
    words = list(speech.words) if rng.random() < 0.5 else speech.without_fillers()
    lines = cutting.lines_of(
        cutting.by_width(words, int(rng.choice([32, 40, 40, 46, 80])), speech.glue), speech.glue, cutting.touching_times
    )
    knows_names = rng.random() < 0.4
    lines = [_with_text(line, _bare(line.text if knows_names else line.text.lower())) for line in lines]
    return [_with_text(line, f"[Music] {line.text}") if rng.random() < 0.02 else line for line in lines]


def whisper_sentences(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """Whisper's segments: plain marks, numbers in digits, long and short lines, on 20 ms or on whole seconds."""
    step_ms = int(rng.choice(_WHISPER_CLOCKS))
    lines = cutting.lines_of(cutting.as_whisper(speech, rng), speech.glue, cutting.chained_times(rng), use_digits=True)
    lines = [_rounded(_with_text(line, _plain_marks(line.text)), step_ms) for line in lines]
    return _with_speakers(lines, "- ", rng) if rng.random() < 0.1 else lines


def whisper_sparse(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """Whisper where it has lost its marks: names keep their capitals, few stops and commas are left."""
    step_ms, kept = int(rng.choice(_WHISPER_CLOCKS)), float(rng.choice([0.05, 0.1, 0.25, 0.5]))
    lines = cutting.lines_of(cutting.as_whisper(speech, rng), speech.glue, cutting.chained_times(rng), use_digits=True)
    lines = [_rounded(_with_text(line, _sparse(line.text, kept, rng)), step_ms) for line in lines]
    return _with_speakers(lines, "- ", rng) if rng.random() < 0.1 else lines


def service_bare(speech: Speech, rng: np.random.Generator) -> list[Line]:
    """A recogniser that knows names but no marks."""
    cut = cutting.by_number(speech.without_fillers(), int(rng.integers(7, 16)))
    return [
        _with_text(line, _bare(line.text))
        for line in cutting.lines_of(cut, speech.glue, cutting.exact_times, use_digits=True)
    ]


HUMAN: dict[str, Style] = {
    style.__name__: style
    for style in (verbatim, subtitles, translated, course, aligned, broadcast, read_aloud, transcript, amateur)
}
MACHINE: dict[str, Style] = {
    style.__name__: style
    for style in (bare_lower, bare_upper, rolling_auto, whisper_sentences, whisper_sparse, service_bare)
}


def _varied(sentences: Sequence[str], spaced: bool, rng: np.random.Generator) -> list[str]:
    """Vary sentences as documents do: some use plain marks only, some speak in fragments without stops."""
    is_plain, is_cut = rng.random() < 0.15, rng.random() < 0.5
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
        if filler_share and rng.random() < filler_share:
            yield f"{rng.choice(fillers)},", False, True
        yield piece, index == len(pieces) - 1, False


def _writes_digits(rng: np.random.Generator) -> bool:
    return bool(rng.random() < 0.4)


def _own_marks(lines: Sequence[Line], glue: str, rng: np.random.Generator) -> list[Line]:
    """Write lines as most people do where words are not spaced: a space, or nothing, for commas and stops."""
    if glue or rng.random() < 0.4:
        return list(lines)
    gap = str(rng.choice([" ", " ", "　", ""]))
    return [_with_text(line, gap.join(_CLAUSE_MARKS.sub(" ", line.text).split())) for line in lines]


def _forgetful(lines: Sequence[Line], share: float, rng: np.random.Generator) -> list[Line]:
    """Forget some final stops and, a third as often, a capital."""
    dropped = [line.text.rstrip(".。।።,") if rng.random() < share else line.text for line in lines]
    return [
        _with_text(line, words[:1].lower() + words[1:] if rng.random() < share / 3 else words)
        for line, words in zip(lines, dropped, strict=True)
    ]


def _sparse(words: str, kept: float, rng: np.random.Generator) -> str:
    return _MARKS.sub(lambda match: match[0] if rng.random() < kept else "", _plain_marks(words))


def _with_tags(lines: Sequence[Line], share: float, rng: np.random.Generator) -> list[Line]:
    return [_with_text(line, f"{rng.choice(_TAGS)} {line.text}") if rng.random() < share else line for line in lines]


def _with_speakers(lines: Sequence[Line], mark: str, rng: np.random.Generator) -> list[Line]:
    return [_with_text(line, mark + line.text) if rng.random() < 0.4 else line for line in lines]


def _rounded(line: Line, step_ms: int) -> Line:
    start_ms, end_ms = (round(time_ms / step_ms) * step_ms for time_ms in (line.start_ms, line.end_ms))
    return Line(start_ms=start_ms, end_ms=max(end_ms, start_ms + step_ms), text=line.text)


def _with_text(line: Line, words: str) -> Line:
    return Line(start_ms=line.start_ms, end_ms=line.end_ms, text=words)


def _bare(words: str) -> str:
    return " ".join(_MARKS.sub("", words).split()) if " " in words else _MARKS.sub("", words)


def _plain_marks(words: str) -> str:
    """Leave commas, stops, questions, dashes: recognisers hardly write the rest."""
    return _SOFT_MARKS.sub("", words)
