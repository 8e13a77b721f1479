"""The truth about every candidate of the embedded web, kept beside it and never served."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LABELS_FILE = "labels.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One sentence that is really heard, when, and what it means in English."""

    start_ms: int
    end_ms: int
    text: str
    english: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One candidate's truth, keyed by its audio_url as listed.

    `defect` is "clean" or what was planted, `detail` a line for people. `expected` is the task it should serve
    (transcribe, translate, no_speech) or `rejected:<why>` or `failed:<why>`. `duration_ms` is 0 for audio that
    does not decode; `spoken_lang` is None without speech, `text_lang` without text.
    """

    audio_url: str
    defect: str
    detail: str
    declared_lang: str
    spoken_lang: str | None
    text_lang: str | None
    sentences: tuple[Spoken, ...]
    expected: str
    duplicate_of: str | None
    voice: str
    condition: str
    duration_ms: int


def write_labels(root: Path, labels: Iterable[Label]) -> None:
    """Write the labels of the corpus at `root`."""
    rows = (json.dumps(dataclasses.asdict(label), ensure_ascii=False) + "\n" for label in labels)
    (root / LABELS_FILE).write_text("".join(rows), encoding="utf-8")


def load_labels(root: Path) -> list[Label]:
    """Read the labels of the corpus at `root`, in the order of its listing."""
    lines = (root / LABELS_FILE).read_text(encoding="utf-8").splitlines()
    return [_label(json.loads(line)) for line in lines]


def _label(row: dict[str, Any]) -> Label:
    sentences = tuple(Spoken(**sentence) for sentence in row.pop("sentences"))
    return Label(**row, sentences=sentences)
