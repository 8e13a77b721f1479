"""The dataset card: what a corpus holds, where it came from, what it is good for, as Markdown for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from pipeline.card import wording
from pipeline.card.facts import Facts
from pipeline.card.wording import hours

TOP = 15


def to_markdown(facts: Facts) -> str:
    """Write the card, with the front matter that the Hugging Face hub reads."""
    streams = [(split, kind, lang, hours(ms)) for (split, kind, lang), ms in sorted(facts.streams.items())]
    rejected = sorted(facts.rejected.items(), key=lambda item: (-item[1], item[0]))
    sections = [
        _front_matter(facts),
        f"# Speech corpus {facts.fingerprint}\n\n{wording.summary(facts)}",
        f"## Contents\n\n{_table(('split', 'kind', 'language', 'audio'), streams)}",
        f"## Collection\n\n{wording.collection(facts)}\n\n{_collected(facts)}",
        _table(("source", "audio kept"), _top(facts.sources)),
        _table(("host", "audio kept"), _top(facts.hosts)),
        f"## Licences\n\nAs stated at their source; shards carry the verbatim statement of each recording.\n\n"
        f"{_table(('licence', 'audio'), _top(facts.licences))}",
        f"## Captions\n\n{wording.ANNOTATION}\n\n{_table(('declared origin', 'audio kept'), _top(facts.captions))}",
        f"## Processing\n\n{wording.PREPROCESSING}\n\n{_table(('rule', 'why'), sorted(facts.rules.items()))}",
        f"## What was left out\n\n{wording.losses(facts)}",
        _table(("end", "reason", "recordings"), [(state, why, f"{num:,}") for (state, why), num in rejected[:TOP]]),
        f"## Personal data\n\n{wording.PERSONAL}",
        f"## Biases and limits\n\n{wording.BIASES}\n\n" + "\n".join(f"- {line}" for line in wording.limitations(facts)),
        f"## Uses\n\n{wording.USES}",
        f"## Maintenance\n\n{wording.MAINTENANCE}",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def day(time_ms: int | None) -> str:
    """Write the day of a Unix time; 'unknown' without one."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat() if time_ms else "unknown"


def _front_matter(facts: Facts) -> str:
    lines = ["---", "task_categories: [automatic-speech-recognition]", "tags: [webdataset, audio, sotto]"]
    return "\n".join([*lines, f"language: [{', '.join(sorted(facts.languages))}]", "---"])


def _collected(facts: Facts) -> str:
    agents = " and ".join(f"`{_cell(agent)}`" for agent in facts.user_agents)
    who = f", as {agents}" if agents else ""
    return (
        f"Fetched from {day(facts.first_ms)} to {day(facts.last_ms)}{who}: {hours(facts.audio_ms)} decoded, "
        f"{hours(facts.kept_ms)} kept in {len(facts.shards):,} shards of {facts.bytes / 1e6:,.1f} MB together."
    )


def _top(lengths: Mapping[str, int]) -> list[tuple[str, str]]:
    rows = [(name, hours(length_ms)) for name, length_ms in list(lengths.items())[:TOP]]
    others = list(lengths.values())[TOP:]
    return [*rows, *([(f"{len(others):,} others", hours(sum(others)))] if others else [])]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(row) for row in rows]
    if not lines:
        return ""
    written = [list(head), ["---"] * len(head), *([_cell(cell) for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in written)


def _cell(text: str) -> str:
    """Keep what others wrote from becoming Markdown or HTML."""
    plain = "".join(char if char.isprintable() else " " for char in text)[:200]
    return "".join(f"\\{char}" if char in "\\|`*_[]<>#" else char for char in plain)
