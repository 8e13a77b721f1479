"""Build the embedded corpus: a folder to serve as a small web, and the truth about it beside that folder."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.sources.embedded.labels import Label, write_labels
from pipeline.sources.embedded.perform import perform
from pipeline.sources.embedded.plan import RecordingPlan, plan_corpus
from pipeline.sources.embedded.sentences import LANGUAGES, load_grammar
from pipeline.sources.embedded.take import Take

WEB_FOLDER = "web"
LISTING_FILE = "listing.jsonl"
SUMMARY_FILE = "corpus.json"  # written last: a folder with it is whole
LICENSE = "CC0-1.0"
ROBOTS = "User-agent: *\nAllow: /\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSummary:
    """What was built, from what: equal summaries but for the counts mean equal bytes.

    `recipe` is the hash of this package, so that a changed sentence is a new corpus.
    """

    seed: int
    scale: float
    planted: float
    languages: list[str]
    recipe: str
    num_candidates: int
    num_planted: int
    duration_ms: int


def build(
    root: Path, seed: int, scale: float = 1.0, planted: float = 1.0, languages: Sequence[str] = LANGUAGES
) -> CorpusSummary:
    """Make the corpus at `root`, or return at once if it is there; a `scale` below 1 makes a smaller one.

    `planted` scales what is spoilt on top of that, `languages` are those spoken in it.
    Safe to call from several processes: one builds, the others wait for it. UserError if `root` holds
    something else.
    """
    recipe = _recipe()
    root.parent.mkdir(parents=True, exist_ok=True)
    with _locked(root.with_name(f".{root.name}.lock")):
        there = _read_summary(root)
        wanted = {"seed": seed, "scale": scale, "planted": planted, "languages": list(languages), "recipe": recipe}
        if there and wanted.items() <= dataclasses.asdict(there).items():
            return there
        if not there and root.exists() and any(root.iterdir()):
            raise UserError(f"folder {str(root)!r} holds no embedded corpus; expected a new or empty one; name another")
        partial = root.with_name(f".{root.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        labels = _write_corpus(partial, plan_corpus(seed, scale, planted, languages))
        summary = _summarise(labels, wanted)
        (partial / SUMMARY_FILE).write_text(json.dumps(dataclasses.asdict(summary)), encoding="utf-8")
        shutil.rmtree(root, ignore_errors=True)
        partial.rename(root)
        return summary


def _write_corpus(root: Path, plans: Sequence[RecordingPlan]) -> list[Label]:
    web = root / WEB_FOLDER
    for folder in ("audio", "text"):
        (web / folder).mkdir(parents=True)
    (web / "robots.txt").write_text(ROBOTS, encoding="utf-8")
    formats = {plan.key: plan.audio_format for plan in plans}
    labels: list[Label] = []
    with (web / LISTING_FILE).open("w", encoding="utf-8") as listing:
        for number, plan in enumerate(plans, start=1):
            take = perform(plan)
            row = _publish(web, plan, take, number)
            listing.write(json.dumps(row, ensure_ascii=False) + "\n")
            original = plan.duplicate_of and _audio_url(plan.duplicate_of, formats[plan.duplicate_of])
            labels.append(_label(plan, take, original))
    write_labels(root, labels)
    return labels


def _publish(web: Path, plan: RecordingPlan, take: Take, number: int) -> dict[str, str | None]:
    """Write a candidate's files and return its row of the listing."""
    audio_url, text_url = _audio_url(plan.key, take.audio_format), f"text/{plan.key}.{take.text_format}"
    audio, caption = take.audio_bytes(), take.caption_bytes() if take.is_published else b""
    (web / audio_url).write_bytes(audio)
    if take.is_published:
        (web / text_url).write_bytes(caption)
    return {
        "audio_url": audio_url,
        "text_url": text_url if take.is_linked else None,
        "language": plan.spoken_lang,
        "title": load_grammar(plan.spoken_lang).title.format(n=number),
        "license": LICENSE,
        "split": plan.split,
        "sha256": hashlib.sha256(audio + caption).hexdigest(),
    }


def _label(plan: RecordingPlan, take: Take, original: str | None) -> Label:
    return Label(
        audio_url=_audio_url(plan.key, take.audio_format),
        defect=plan.kind.name,
        detail=plan.kind.detail,
        declared_lang=plan.spoken_lang,
        spoken_lang=plan.spoken_lang if take.spoken else None,
        text_lang=plan.text_lang if take.cues and take.is_published else None,
        sentences=take.spoken,
        expected=plan.kind.expected,
        duplicate_of=original,
        voice=plan.voice,
        condition=plan.condition,
        duration_ms=take.duration_ms,
    )


def _audio_url(key: str, audio_format: str) -> str:
    return f"audio/{key}.{audio_format}"


def _summarise(labels: Sequence[Label], wanted: Mapping[str, Any]) -> CorpusSummary:
    return CorpusSummary(
        **wanted,
        num_candidates=len(labels),
        num_planted=sum(label.defect != "clean" for label in labels),
        duration_ms=sum(label.duration_ms for label in labels),
    )


def _read_summary(root: Path) -> CorpusSummary | None:
    path = root / SUMMARY_FILE
    return CorpusSummary(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _recipe() -> str:
    package = files("pipeline.sources.embedded")
    sources = [item for folder in (package, package / "data") for item in folder.iterdir() if item.is_file()]
    digest = hashlib.sha256()
    for item in sorted(sources, key=lambda item: item.name):
        digest.update(item.name.encode() + item.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Hold a file's lock, waiting for whoever has it; the system lets go when a process ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
