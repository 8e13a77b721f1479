"""Numbers as people read them, and the sentence a report begins with."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.summary import Summary

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
_SIDES = {"min": "at least", "max": "at most", "equals": "only"}
_STAGE_REASONS = {
    "duplicate": "another recording holds the same and stands for it",
    "contaminated": "holds part of an evaluation set",
    "synthetic_held_out": "synthetic speech drawn for a held-out split",
    "language_mismatch": "the text is neither in the language spoken nor an English translation of it",
    "unknown_language": "the language of the text cannot be told",
    "speech_without_text": "speech that nobody captioned is neither transcript nor silence",
    "taken_down": "on a take-down list",
    "unmeasured": "what decides it was not measured",
}


def hours(duration_ms: int) -> str:
    """Write a duration in the unit that suits it: 12 s, 34 min, 5.6 h, 1,234 h."""
    if duration_ms < MINUTE_MS:
        return f"{duration_ms / 1000:.0f} s"
    if duration_ms < HOUR_MS:
        return f"{duration_ms / MINUTE_MS:.{1 if duration_ms < 10 * MINUTE_MS else 0}f} min"
    return f"{duration_ms / HOUR_MS:,.{1 if duration_ms < 100 * HOUR_MS else 0}f} h"


def hours_of(duration_ms: int, whole_ms: int) -> str:
    """Write a duration in the unit of the whole it is part of, so that a column of them can be added up."""
    if whole_ms < HOUR_MS:
        return f"{duration_ms / MINUTE_MS:.1f} min"
    return f"{duration_ms / HOUR_MS:,.{2 if whole_ms < 100 * HOUR_MS else 1}f} h"


def in_units(parts_ms: Sequence[int], whole_ms: int, total: int | None = None) -> list[int]:
    """Round parts to the last digit shown of a whole, so that they add up to `total` units, else to their own sum.

    The parts with the largest remainders are rounded up, as seats are given to parties.
    """
    unit_ms = _unit_ms(whole_ms)
    counts = [part // unit_ms for part in parts_ms]
    missing = ((sum(parts_ms) + unit_ms // 2) // unit_ms if total is None else total) - sum(counts)
    by_remainder = sorted(range(len(parts_ms)), key=lambda index: -(parts_ms[index] % unit_ms))
    for index in by_remainder[: max(0, missing)]:
        counts[index] += 1
    return counts


def written(units: int, whole_ms: int) -> str:
    """Write a number of units (see `in_units`) of a whole, in minutes or hours."""
    return hours_of(units * _unit_ms(whole_ms), whole_ms)


def _unit_ms(whole_ms: int) -> int:
    if whole_ms < HOUR_MS:
        return MINUTE_MS // 10
    return HOUR_MS // (100 if whole_ms < 100 * HOUR_MS else 10)


def bare(duration_ms: int, whole_ms: int) -> str:
    """Write a duration in the unit of the whole it is part of, without the unit."""
    return hours_of(duration_ms, whole_ms).rpartition(" ")[0]


def unit(whole_ms: int) -> str:
    """Name the unit that parts of a whole are written in."""
    return hours_of(0, whole_ms).rpartition(" ")[2]


def change(before_ms: int, after_ms: int) -> str:
    """Write what was added or lost: +5.2 min, −34 s, or = for nothing."""
    if before_ms == after_ms:
        return "="
    return f"{'+' if after_ms > before_ms else '−'}{hours(abs(after_ms - before_ms))}"


def count(total: int, singular: str = "") -> str:
    """Write a number with its thousands apart, and what it counts if that is said: 1 tar, 2 tars."""
    return f"{total:,} {singular}{'' if total == 1 else 's'}" if singular else f"{total:,}"


def number(value: float | bool) -> str:
    """Write a measured value or a limit with as many digits as tell something."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def share(part: int, whole: int) -> str:
    """Write a part in percent; never 0 % for something nor 100 % for not everything."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if part and percent < 0.1:
        return "< 0.1 %"
    if part < whole and percent > 99.9:
        return "> 99.9 %"
    return f"{percent:.0f} %" if percent in (0, 100) else f"{percent:.1f} %"


def size(num_bytes: int) -> str:
    """Write a size in the unit that suits it."""
    value, units = float(num_bytes), ["B", "KB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if value >= 100 or units[0] == "B" else f"{value:.1f} {units[0]}"


def clock(position_ms: int) -> str:
    """Write a position in a recording as a player shows it."""
    seconds = position_ms // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def words(name: str) -> str:
    """Write a column's or reason's name as words."""
    return name.replace("_", " ").replace(":", ": ")


def explained(reason: str) -> str:
    """Say what a reason that no rule gives means; '' for others."""
    return next((text for name, text in _STAGE_REASONS.items() if reason.startswith(name)), "")


def limit(side: str, value: float | bool) -> str:
    """Write a limit as what is kept: at least 0.5, at most 30, only yes."""
    return f"{_SIDES.get(side, side)} {number(value)}"


def verdict(summary: Summary) -> list[str]:
    """Say in a few sentences what was kept, why the rest was not, and how well that was judged."""
    kept, audio = summary.kept.duration_ms, summary.audio.duration_ms
    counts = {line.name: line.num for line in summary.outcomes}
    sentences = [
        f"{hours(kept)} of {hours(audio)} of audio are kept ({share(kept, audio)}), "
        f"from {count(counts['kept'])} of {count(summary.num_candidates)} recordings."
    ]
    if counts["failed"] or counts["rejected"]:
        sentences.append(
            f"{count(counts['failed'])} could not be fetched or decoded; "
            f"{count(counts['rejected'])} were rejected whole."
        )
    if summary.reasons:
        worst = summary.reasons[0]
        sentences.append(f"The costliest reason is {words(worst.name)}: {hours(worst.first.duration_ms)}.")
    truth = summary.truth
    if truth:
        sentences.append(
            f"Of {count(truth.num_bad)} recordings known to be bad, {count(truth.num_caught)} were kept out; "
            f"of the good ones' captioned audio, {share(truth.good_kept.duration_ms, truth.good.duration_ms)} was kept."
        )
    if summary.shards.num_samples != summary.kept.num:
        sentences.append(
            f"The shards hold {count(summary.shards.num_samples)} of {count(summary.kept.num)} kept windows: "
            "run ingest again."
        )
    return sentences
