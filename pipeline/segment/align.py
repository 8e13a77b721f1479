"""Give text without times its place in the speech: its sentences are set between pauses, as translations are aligned.

How long a sentence takes follows from its length, the more exactly the longer it is; a long pause is rather between
sentences than within one (Gale and Church 1993 align texts of two languages so). All ways to lay the sentences over the
speech are weighed together, so each boundary comes with its probability: those that are likelier than not are kept, no
two of which can contradict each other. It knows nothing of the words: text of other speech is laid down as well, with
probabilities that tell little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.segment.cue import Cue

Spans = Sequence[tuple[int, int]]
Floats = NDArray[np.float64]

# Of log speed, times the root of the seconds: people's prompts of 3 to 30 s (2026-11).
SPREAD = 0.45
_PAUSE_COST = 3.0  # of a second of silence within a sentence; in nats
_JOIN_COST = 1.5  # of a boundary without a pause
_MAX_JOINED = 4
_BAND_MS = 20_000  # how far from its proportional place a boundary may lie, and a tenth of the speech beside it
_MAX_CHARS = 160  # of a sentence: ten seconds
# Marks of scripts that space their words end something before a space only: 3.5, www.example.org.
_SENTENCE = re.compile(
    r"(?<=[.!?…])\s+|(?<=[.!?…][\"'”’»)\]])\s+|(?<=[。！？።۔؟।])(?![」』])\s*|(?<=[。！？][」』])\s*|\n+"
)
_CLAUSE = re.compile(r"(?<=[,;:])\s+|(?<=[،؛、，；：፣፤])\s*")
_LIKELY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pauses:
    """Where speech can be cut: ms of speech before each pause, and how long it is; the first and last are the ends."""

    spoken_ms: Floats
    silent_ms: Floats


def place(written: str, speech_ms: Spans, max_ms: int, is_theirs: bool = False) -> tuple[Cue, ...]:
    """Lay a text over regions of speech in cues of at most `max_ms`.

    A cue's confidence is the probability of its ends; times that of all ends in the text, unless it is known to be the
    words of this speech.
    """
    units = list(sentences(written))
    sizes = np.array([spoken_size(unit) for unit in units], dtype=np.float64)
    if not units or not speech_ms:
        return ()
    pauses = _pauses(speech_ms)
    ends_ms = np.concatenate([[0.0], np.cumsum(sizes) / sizes.sum() * pauses.spoken_ms[-1]])
    likely = _boundaries(ends_ms, pauses)
    if not likely:
        return ()
    # A text that fits here and there only is hardly the words of this speech: one boundary's probability may be chance.
    fit = 1.0 if is_theirs else float(np.average([prob for _, prob in likely[1:]], weights=sizes))
    anchors = [(unit, cut, prob * fit) for unit, (cut, prob) in enumerate(likely) if prob >= _LIKELY]
    cues: list[Cue] = []
    for first, last in zip(anchors[:-1], anchors[1:], strict=True):
        cues += _between(units, ends_ms, (first, last), speech_ms, max_ms)
    return tuple(cues)


def sentences(written: str) -> Iterator[str]:
    """Yield the sentences of a text; long ones in clauses, and these between words."""
    for sentence in _pieces(_SENTENCE, written):
        for clause in _grouped(list(_pieces(_CLAUSE, sentence))):
            words = clause.split(" ")
            num = -(-len(clause) // _MAX_CHARS) if len(words) > 1 else 1
            for part in np.array_split(np.array(words, dtype=object), min(num, len(words))):
                yield " ".join(part)


def spoken_size(written: str) -> int:
    """Return how long a text takes to say, in letters and digits; 1 at least."""
    return max(1, sum(map(str.isalnum, written)))


def _pieces(pattern: re.Pattern[str], written: str) -> Iterator[str]:
    yield from (piece.strip() for piece in pattern.split(written) if any(map(str.isalnum, piece)))


def _grouped(clauses: Sequence[str]) -> Iterator[str]:
    """Yield clauses joined while they are short enough."""
    group = ""
    for clause in clauses:
        if group and len(group) + len(clause) >= _MAX_CHARS:
            yield group
            group = ""
        group = f"{group} {clause}" if group else clause
    yield group


def _pauses(speech_ms: Spans) -> _Pauses:
    edges = np.array(speech_ms, dtype=np.float64)
    spoken = np.concatenate([[0.0], np.cumsum(edges[:, 1] - edges[:, 0])])
    silent = np.concatenate([[0.0], edges[1:, 0] - edges[:-1, 1], [0.0]])
    return _Pauses(spoken_ms=spoken, silent_ms=silent)


def _boundaries(ends_ms: Floats, pauses: _Pauses) -> list[tuple[int, float]]:
    """Return for each end of a sentence its likeliest pause, and how probable it is; nothing where no way exists."""
    forward = _ways(ends_ms, pauses)
    if not np.isfinite(forward[-1, -1]):
        return []
    total = ends_ms[-1]
    mirrored = _Pauses(spoken_ms=total - pauses.spoken_ms[::-1], silent_ms=pauses.silent_ms[::-1])
    backward = _ways(total - ends_ms[::-1], mirrored)[::-1, ::-1]
    joint = forward + backward - forward[-1, -1]
    best = joint.argmax(axis=1)
    return [(int(cut), float(np.exp(min(0.0, joint[unit, cut])))) for unit, cut in enumerate(best)]


def _ways(ends_ms: Floats, pauses: _Pauses) -> Floats:
    """Return the log weight of all ways to lay the first sentences over the speech before each pause."""
    cuts, silent = pauses.spoken_ms, np.concatenate([[0.0], np.cumsum(np.minimum(pauses.silent_ms, 1000.0))]) / 1000
    ways = np.full((len(ends_ms), len(cuts)), -np.inf)
    ways[0, 0] = 0.0
    reach = _BAND_MS + 0.1 * ends_ms[-1]
    most = max(_MAX_JOINED, 2 * len(ends_ms) // len(cuts))
    for unit in range(1, len(ends_ms)):
        near = _near(cuts, ends_ms[unit], reach)
        if unit == len(ends_ms) - 1:
            near = slice(len(cuts) - 1, len(cuts))
        for joined in range(1, min(most, unit) + 1):
            before = _near(cuts, ends_ms[unit - joined], reach)
            taken = (cuts[near] - cuts[before, None]) / 1000
            expected = (ends_ms[unit] - ends_ms[unit - joined]) / 1000
            spread = SPREAD * np.sqrt(expected)
            with np.errstate(divide="ignore"):
                within = silent[near] - silent[before, None] - np.minimum(pauses.silent_ms[before, None], 1000.0) / 1000
                cost = 0.5 * np.square((taken - expected) / spread) + np.log(spread) + _PAUSE_COST * within
                weights = np.where(taken > 0, ways[unit - joined, before, None] - cost, -np.inf)
            weights -= _JOIN_COST * (joined - 1)
            ways[unit, near] = np.logaddexp(ways[unit, near], np.logaddexp.reduce(weights, axis=0))
    return ways


def _near(cuts: Floats, place_ms: float, reach_ms: float) -> slice:
    first, last = np.searchsorted(cuts, (place_ms - reach_ms, place_ms + reach_ms))
    return slice(int(first), int(last))


Anchor = tuple[int, int, float]  # sentences before it, regions before it, probability


def _between(
    units: Sequence[str], ends_ms: Floats, anchors: tuple[Anchor, Anchor], speech_ms: Spans, max_ms: int
) -> Iterator[Cue]:
    """Yield the cues between two boundaries: one, or where it would be too long, several set by proportion."""
    (first, first_cut, first_prob), (last, last_cut, last_prob) = anchors
    regions = speech_ms[first_cut:last_cut]
    prob = min(first_prob, last_prob)
    whole = Cue(start_ms=regions[0][0], end_ms=regions[-1][1], text=" ".join(units[first:last]), confidence=prob)
    if whole.end_ms - whole.start_ms <= max_ms:
        yield whole
        return
    lengths = np.diff(ends_ms[first : last + 1])
    spoken = np.concatenate([[0], np.cumsum([end - start for start, end in regions])]).astype(np.float64)
    places = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum() * spoken[-1]
    for unit, (start, end) in enumerate(zip(places[:-1], places[1:], strict=True)):
        yield Cue(
            start_ms=_clock(start, spoken, regions, is_end=False),
            end_ms=_clock(end, spoken, regions, is_end=True),
            text=units[first + unit],
            confidence=0.0,
        )


def _clock(place_ms: float, spoken: Floats, regions: Spans, is_end: bool) -> int:
    """Return when so much has been spoken within the regions."""
    at = int(np.searchsorted(spoken, place_ms, side="left" if is_end else "right")) - 1
    at = min(max(at, 0), len(regions) - 1)
    return min(regions[at][1], regions[at][0] + round(place_ms - float(spoken[at])))
