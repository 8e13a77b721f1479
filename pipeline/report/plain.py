"""The report as JSON and as the lines a terminal shows at the end of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from pipeline.report.changes import Changes
from pipeline.report.counts import Tally
from pipeline.report.summary import Reason, Summary
from pipeline.report.wording import count, hours, share, size, verdict, words

MAX_REASONS = 10
MAX_STATUSES = 6


def to_json(summary: Summary, changes: Changes | None = None) -> str:
    """Write the same numbers for machines; keys are the fields of `Summary`."""
    truth = summary.truth
    rates = {"precision": truth.precision, "recall": truth.recall} if truth else None
    more = {"truth_rates": rates, "changes": asdict(changes) if changes else None}
    return json.dumps(asdict(summary) | more, ensure_ascii=False, indent=1, sort_keys=True)


def to_terminal(summary: Summary, report_uri: str, shards_uri: str) -> str:
    """Write at most 40 lines: what was kept, why the rest was not, where things lie."""
    lines = [*verdict(summary), "", *_audio_lines(summary), "", *_recording_lines(summary), ""]
    shards = summary.shards
    lines += [
        f"shards  {shards_uri}  ({count(shards.num_shards, 'tar')}, {count(shards.num_samples, 'sample')}, "
        f"{hours(shards.synthetic_ms) + ' synthetic, ' if shards.synthetic_ms else ''}"
        f"{size(shards.num_bytes)})",
        f"report  {report_uri}",
    ]
    return "\n".join(_safe(line) for line in lines)


def _audio_lines(summary: Summary) -> list[str]:
    whole = summary.audio.duration_ms
    shown, rest = summary.reasons[:MAX_REASONS], summary.reasons[MAX_REASONS:]
    return [
        _line("audio decoded", summary.audio, whole),
        *(_line(f"kept: {words(kind.name)}", kind, whole) for kind in summary.kinds),
        *(_line(words(reason.name), reason.first, whole) for reason in shown),
        *([_line(f"{len(rest)} more reasons", _sum(rest), whole)] if rest else []),
        _line("between windows", Tally(name="", num=0, duration_ms=summary.between_ms), whole),
    ]


def _recording_lines(summary: Summary) -> list[str]:
    failed = [line for line in summary.statuses if line.name != "ok"]
    shown, rest = failed[:MAX_STATUSES], failed[MAX_STATUSES:]
    counts = ", ".join(f"{count(line.num)} {words(line.name)}" for line in summary.outcomes)
    statuses = [f"{count(line.num)} {words(line.name)}" for line in shown]
    if rest:
        statuses.append(f"{count(sum(line.num for line in rest))} otherwise")
    return [f"recordings: {counts}", *([f"failed: {', '.join(statuses)}"] if statuses else [])]


def _line(name: str, tally: Tally, whole_ms: int) -> str:
    windows = f"{count(tally.num):>10} " if tally.num else " " * 11
    return f"  {name:<34}{hours(tally.duration_ms):>10}{share(tally.duration_ms, whole_ms):>9}{windows}".rstrip()


def _sum(reasons: Sequence[Reason]) -> Tally:
    return Tally(
        name="",
        num=sum(reason.first.num for reason in reasons),
        duration_ms=sum(reason.first.duration_ms for reason in reasons),
    )


def _safe(line: str) -> str:
    """Replace what could steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in line)
