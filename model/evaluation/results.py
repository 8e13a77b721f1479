"""What utterances come to: EVAL_RESULT rows with confidence intervals, and one checkpoint beside another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.evaluation.bootstrap import Difference, Measure, difference, estimate, ratio
from model.evaluation.evaluate import Utterance
from model.evaluation.metrics import Pair, text_measures
from model.evaluation.normalisers import BASIC, WHISPER, normalise
from model.evaluation.translation import translation_measures

ALL, CLEAN, NONE = "all", "clean", "none"
CLOSE_MS = 200  # what subtitle readers take for in time
MS_PER_MINUTE = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a number belongs: its checkpoint, its set, and the noise it was heard in."""

    checkpoint: str
    eval_set: str
    condition: str = CLEAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One measure of two checkpoints on the same utterances."""

    eval_set: str
    task: str
    lang: str
    metric: str
    normaliser: str
    first: float
    second: float
    change: Difference


Key = tuple[str, str, str]  # task, language, source
Groups = Mapping[Key, Sequence[Utterance]]


def result_rows(utterances: Sequence[Utterance], place: Place, resamples: int) -> list[dict[str, Any]]:
    """Return EVAL_RESULT's rows: by task and language, over languages, and by source where there are several."""
    rows: list[dict[str, Any]] = []
    for (task, lang, source), group in sorted(_groups(utterances).items()):
        recordings = [one.item.recording_id for one in group]
        for measure in measures(task, group):
            found = estimate(measure, recordings, resamples)
            if np.isfinite(found.value):
                rows.append(
                    {
                        "checkpoint": place.checkpoint,
                        "eval_set": place.eval_set,
                        "condition": place.condition,
                        "source": source,
                        "lang": lang,
                        "task": task,
                        "metric": measure.name,
                        "value": found.value,
                        "low": found.low,
                        "high": found.high,
                        "num_utterances": len(group),
                        "normaliser": measure.normaliser,
                    }
                )
    return rows


def compare(
    first: Sequence[Utterance], second: Sequence[Utterance], eval_set: str, resamples: int
) -> Iterator[Comparison]:
    """Compare two checkpoints measure by measure, by task and language; the same utterances in the same order."""
    assert [one.item.item_id for one in first] == [one.item.item_id for one in second], "not the same utterances"
    others = _groups(second)
    for key, group in sorted(_groups(first).items()):
        task, lang, source = key
        if source != ALL or key not in others:
            continue
        recordings = [one.item.recording_id for one in group]
        for mine, theirs in zip(measures(task, group), measures(task, others[key]), strict=True):
            values = [float(one.value(one.counts_UK.sum(axis=0))) for one in (mine, theirs)]
            if np.isfinite(values).all():
                yield Comparison(
                    eval_set=eval_set,
                    task=task,
                    lang=lang,
                    metric=mine.name,
                    normaliser=mine.normaliser,
                    first=values[0],
                    second=values[1],
                    change=difference(mine, theirs, recordings, resamples),
                )


def measures(task: str, group: Sequence[Utterance]) -> list[Measure]:
    """Return the measures of a task; utterances of the group that a measure is not about count nothing."""
    if task == "detect_language":
        return [_share("accuracy", [one.heard_lang == one.item.lang for one in group])]
    losses = _ratio("loss", [(one.nll, one.num_tokens) for one in group])
    if task == "no_speech":
        words = [len(normalise(BASIC, one.hypothesis, "und").split()) for one in group]
        per_minute = zip(words, (one.duration_ms / MS_PER_MINUTE for one in group), strict=True)
        return [
            _share("accuracy", [one.heard_nobody for one in group]),
            _share("hallucinated", [number > 0 for number in words], BASIC),
            _ratio("words_per_min", list(per_minute), BASIC),
            losses,
        ]
    lang_of_text = "en" if task == "translate" else None
    pairs = [
        Pair(reference=one.item.text, hypothesis=one.hypothesis, lang=lang_of_text or one.item.lang) for one in group
    ]
    texts = [measure for name in (BASIC, WHISPER) for measure in text_measures(pairs, name)]
    return [*texts, *(translation_measures(pairs) if task == "translate" else _timings(group)), losses]


def _timings(group: Sequence[Utterance]) -> list[Measure]:
    timed = [one.timing for one in group]
    errors = [(sum(one.errors_ms), len(one.errors_ms)) if one else (0, 0) for one in timed]
    close = [(sum(ms <= CLOSE_MS for ms in one.errors_ms), len(one.errors_ms)) if one else (0, 0) for one in timed]
    edges = [(len(one.errors_ms), one.num_edges) if one else (0, 0) for one in timed]
    return [
        _ratio("timing_ms", errors, BASIC),
        _ratio("timing_close", close, BASIC),
        _ratio("timing_found", edges, BASIC),
    ]


def _groups(utterances: Sequence[Utterance]) -> Groups:
    groups: dict[Key, list[Utterance]] = defaultdict(list)
    has_sources = len({one.item.source for one in utterances}) > 1
    for one in utterances:
        tasks = [one.item.task, *(["detect_language"] if one.heard_lang and one.item.task == "transcribe" else [])]
        for task in tasks:
            groups[task, one.item.lang, ALL].append(one)
            groups[task, ALL, ALL].append(one)
            if has_sources:
                groups[task, ALL, one.item.source].append(one)
    return groups


def _share(name: str, is_so: Sequence[bool], normaliser: str = NONE) -> Measure:
    return _ratio(name, [(float(one), 1.0) for one in is_so], normaliser)


def _ratio(name: str, counts: Sequence[tuple[float, float]], normaliser: str = NONE) -> Measure:
    return Measure(name=name, normaliser=normaliser, counts_UK=np.array(counts, dtype=np.float64), value=ratio)
