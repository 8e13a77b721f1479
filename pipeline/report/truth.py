"""How well the run judged where the truth is known: planted defects caught, good recordings kept.

A recording is judged on its windows with text where it has any, on all of them otherwise: a pause in a recording
with bad captions may well serve as a no-speech sample, and that is no mistake.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from pipeline.report.counts import Tally

NOT_KEPT = ("failed", "rejected")


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectRow:
    """The recordings with one defect: how many were judged as expected, and what became of them, by reason."""

    defect: str
    expected: str
    num: int
    num_right: int
    verdicts: tuple[tuple[str, int], ...]

    @property
    def is_bad(self) -> bool:
        """Tell whether these recordings should not be kept."""
        return _is_bad(self.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonRow:
    """The recordings one reason, or one status, kept out, and how many of them rightly."""

    reason: str
    num: int
    num_right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Verdicts against labels. Recall is caught / bad, precision is caught / kept out."""

    defects: tuple[DefectRow, ...]
    reasons: tuple[ReasonRow, ...]
    num_bad: int
    num_caught: int
    num_kept_out: int
    good: Tally  # windows with text of good recordings
    good_kept: Tally

    @property
    def recall(self) -> float | None:
        """Share of the bad recordings that were kept out; None without any."""
        return self.num_caught / self.num_bad if self.num_bad else None

    @property
    def precision(self) -> float | None:
        """Share of the recordings kept out that are bad; None without any."""
        return self.num_caught / self.num_kept_out if self.num_kept_out else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    defect: str
    expected: str
    verdict: str  # failed, rejected, or the kind most of its kept audio serves
    reason: str  # status, or the first reason of most of its audio
    judged: Sequence[Mapping[str, Any]]

    @property
    def is_right(self) -> bool:
        return self.verdict in NOT_KEPT if _is_bad(self.expected) else self.verdict == self.expected


class Truths:
    """Gathers what became of the labelled recordings, part by part, and judges it at the end."""

    def __init__(self, labels: pa.Table) -> None:
        """Take the labels; a label's audio_url is the end of a recording's."""
        self._labels = labels
        self._by_url = {row["audio_url"]: row for row in labels.select(["audio_url", "defect", "expected"]).to_pylist()}
        self._outcomes: dict[str, _Outcome] = {}

    def add(self, recordings: pa.Table, windows: pa.Table) -> None:
        """Take note of the labelled recordings of a part; windows have kind, reason, kept, text and duration_ms."""
        by_recording: dict[str, list[dict[str, Any]]] = defaultdict(list)
        columns = ["recording_id", "duration_ms", "kept", "kind", "reason", "text"]
        for window in windows.select(columns).to_pylist():
            by_recording[window["recording_id"]].append(window)
        for row in recordings.select(["recording_id", "audio_url", "status"]).to_pylist():
            label = next((self._by_url[end] for end in _ends(row["audio_url"] or "") if end in self._by_url), None)
            if label:
                outcome = _outcome(label, row["status"], by_recording[row["recording_id"]])
                self._outcomes[label["audio_url"]] = outcome

    def judge(self) -> Truth:
        """Compare verdicts with labels."""
        outcomes = _with_copies_exchanged(dict(self._outcomes), self._labels)
        out = [outcome for outcome in outcomes if outcome.verdict in NOT_KEPT]
        bad = [outcome for outcome in outcomes if _is_bad(outcome.expected)]
        good = [window for outcome in outcomes if not _is_bad(outcome.expected) for window in outcome.judged]
        return Truth(
            defects=_defect_rows(outcomes),
            reasons=_reason_rows(out),
            num_bad=len(bad),
            num_caught=sum(outcome.is_right for outcome in bad),
            num_kept_out=len(out),
            good=_total("good", good),
            good_kept=_total("good_kept", [window for window in good if window["kept"]]),
        )


def _with_copies_exchanged(outcomes: dict[str, _Outcome], labels: pa.Table) -> list[_Outcome]:
    """Keeping a copy in place of its original is right too: the two then exchange what became of them."""
    originals = (
        labels.select(["audio_url", "duplicate_of"]).to_pylist() if "duplicate_of" in labels.column_names else []
    )
    for row in originals:
        copy, original = outcomes.get(row["audio_url"]), outcomes.get(row["duplicate_of"] or "")
        if copy and original and copy.verdict not in NOT_KEPT and original.verdict in NOT_KEPT:
            outcomes[row["audio_url"]] = replace(original, defect=copy.defect, expected=copy.expected)
            outcomes[row["duplicate_of"]] = replace(copy, defect=original.defect, expected=original.expected)
    return list(outcomes.values())


def _outcome(label: Mapping[str, str], status: str, windows: Sequence[Mapping[str, Any]]) -> _Outcome:
    judged = [window for window in windows if window["text"]] or windows
    kept = [window for window in judged if window["kept"]]
    if status != "ok":
        verdict, reason = "failed", status
    elif kept:
        verdict, reason = _longest(kept, "kind"), ""
    else:
        verdict, reason = "rejected", _longest(judged, "reason")
    return _Outcome(defect=label["defect"], expected=label["expected"], verdict=verdict, reason=reason, judged=judged)


def _longest(windows: Sequence[Mapping[str, Any]], column: str) -> str:
    lengths: Counter[str] = Counter()
    for window in windows:
        lengths[window[column]] += window["duration_ms"]
    return max(sorted(lengths), key=lambda name: lengths[name])


def _ends(url: str) -> Iterator[str]:
    """Yield a URL and what follows each of its slashes."""
    yield url
    parts = url.split("/")
    yield from ("/".join(parts[number:]) for number in range(1, len(parts)))


def _defect_rows(outcomes: Sequence[_Outcome]) -> tuple[DefectRow, ...]:
    groups: dict[tuple[str, str], list[_Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.defect, outcome.expected].append(outcome)
    rows = [
        DefectRow(
            defect=defect,
            expected=expected,
            num=len(group),
            num_right=sum(outcome.is_right for outcome in group),
            verdicts=tuple(Counter(_verdict(outcome) for outcome in group).most_common()),
        )
        for (defect, expected), group in groups.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.is_bad, row.defect, row.expected)))


def _verdict(outcome: _Outcome) -> str:
    return f"{outcome.verdict}: {outcome.reason}" if outcome.reason else outcome.verdict


def _reason_rows(out: Sequence[_Outcome]) -> tuple[ReasonRow, ...]:
    num = Counter(outcome.reason for outcome in out)
    right = Counter(outcome.reason for outcome in out if outcome.is_right)
    return tuple(ReasonRow(reason=name, num=count, num_right=right[name]) for name, count in num.most_common())


def _total(name: str, windows: Sequence[Mapping[str, Any]]) -> Tally:
    return Tally(name=name, num=len(windows), duration_ms=sum(window["duration_ms"] for window in windows))


def _is_bad(expected: str) -> bool:
    return expected.split(":", 1)[0] in NOT_KEPT
