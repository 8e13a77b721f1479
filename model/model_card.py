"""The README.md of an exported model: what it is, what it was trained on and what was measured, from manifests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from model.checkpoint import Loaded
from model.net import ModelDimensions, Whisper, num_parameters
from pipeline import artifact, store, tables
from pipeline.artifact import Artifact
from pipeline.languages import LANGUAGES
from pipeline.schema import EVAL_RESULT

MS_PER_HOUR = 3_600_000
UNSTATED = "not stated"
HEADLINES = frozenset({"wer", "cer", "bleu", "chrf", "accuracy", "loss"})  # the rest is in the results themselves
PRUNED = "## Evaluation\n\nNot evaluated: layers of the checkpoint were left out, and it was not trained since."


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Hours of the train split: of each (task, language), licence and source; a window may serve several tasks."""

    tasks: Mapping[tuple[str, str], float]
    licences: Mapping[str, float]
    sources: Mapping[str, float]


def model_card(loaded: Loaded, dims: ModelDimensions, checkpoint: str, format_name: str) -> str:
    """Return the card as Markdown; what no manifest tells is said to be unknown.

    `dims` are those of the export; where layers were left out, no score of the checkpoint holds for it.
    """
    training = read_training(loaded.card.shards_uri)
    sections = [
        _front_matter(training, format_name),
        _model(loaded, dims, checkpoint),
        _training(loaded, training),
        _scores(read_scores(checkpoint)) if dims == loaded.card.dims else PRUNED,
    ]
    return "\n\n".join(sections) + "\n"


def read_training(shards_uri: str | None) -> Training | None:
    """Sum the plan that shards were cut by; None where shards, index or plan are not at hand."""
    if shards_uri is None:
        return None
    root_uri, name, fingerprint = shards_uri.rstrip("/").rsplit("/", 2)
    index = Artifact(root_uri=root_uri, name=name, fingerprint=fingerprint)
    if not artifact.is_complete(index):
        return None
    inputs: dict[str, str] = artifact.read_manifest(index)["identity"].get("inputs", {})
    plan = Artifact(root_uri=root_uri, name="shard_plan", fingerprint=inputs.get("shard_plan", ""))
    if not artifact.is_complete(plan):
        return None
    return _sum(artifact.read_all(plan, ("split", "lang", "tasks", "license", "source", "start_ms", "end_ms")))


def read_scores(checkpoint: str) -> pa.Table:
    """Return what jobs/evaluate.py left beside a checkpoint, an EVAL_RESULT of no rows when that is nothing."""
    folder = str(Path(checkpoint).parent)
    found = [
        name for name in sorted(store.list_names(folder)) if name.startswith("eval-") and name.endswith(".parquet")
    ]
    return pa.concat_tables([EVAL_RESULT.empty_table(), *(tables.read(store.join(folder, name)) for name in found)])


def _sum(plan: pa.Table) -> Training:
    tasks: dict[tuple[str, str], float] = defaultdict(float)
    licences: dict[str, float] = defaultdict(float)
    sources: dict[str, float] = defaultdict(float)
    for row in plan.to_pylist():
        if row["split"] != "train":
            continue
        hours = (row["end_ms"] - row["start_ms"]) / MS_PER_HOUR
        licences[row["license"] or UNSTATED] += hours
        sources[row["source"]] += hours
        for task in row["tasks"]:
            tasks[task, row["lang"]] += hours
    return Training(tasks=dict(tasks), licences=dict(licences), sources=dict(sources))


def _front_matter(training: Training | None, format_name: str) -> str:
    heard = {lang for _, lang in training.tasks} if training else set[str]()
    lines = ["---", "pipeline_tag: automatic-speech-recognition", "tags: [whisper, sotto]"]
    lines += ["library_name: transformers"] if format_name == "huggingface" else []
    lines += [f"language: [{', '.join(sorted(heard & set(LANGUAGES)))}]"] if heard else []
    return "\n".join([*lines, "---"])


def _model(loaded: Loaded, dims: ModelDimensions, checkpoint: str) -> str:
    tokenizer = loaded.tokenizer
    with torch.device("meta"):
        parameters = num_parameters(Whisper(dims))
    facts = [
        ("checkpoint", f"`{Path(checkpoint).name}`, step {loaded.step}"),
        ("parameters", f"{parameters:,}"),
        ("encoder", f"{dims.n_audio_layer} layers, width {dims.n_audio_state}, {dims.n_audio_head} heads"),
        ("decoder", f"{dims.n_text_layer} layers, width {dims.n_text_state}, {dims.n_text_head} heads"),
        ("audio", f"{dims.n_mels} mel bins, windows of up to {dims.n_audio_ctx * 20 / 1000:g} s"),
        ("text", f"up to {dims.n_text_ctx} tokens of {tokenizer.num_text_tokens:,} and special ones"),
        ("languages", f"tokens for {len(tokenizer.codes)}; only those below were trained"),
        ("vocabulary", f"`{tokenizer.fingerprint[:16]}`"),
    ]
    head = "# Speech model\n\nWhisper's architecture (Radford et al. 2022): transcribes, translates to English, "
    return f"{head}names the language spoken.\n\n{_table(('', ''), facts)}"


def _training(loaded: Loaded, training: Training | None) -> str:
    if loaded.card.shards_uri is None:
        return "## Training data\n\nUnknown: the weights were loaded from another project's file."
    lines = ["## Training data", f"Corpus `{loaded.card.shards_fingerprint}`."]
    if loaded.card.audio == "silence":
        lines.append("**Trained on silence**: this model heard nothing, and serves as a baseline only.")
    if training is None:
        return "\n\n".join([*lines, "Its manifests were not at hand when this card was written."])
    rows = [(task, lang, f"{hours:.2f}") for (task, lang), hours in sorted(training.tasks.items())]
    lines.append(_table(("task", "language", "hours"), rows))
    lines.append(_table(("source", "hours"), _by_hours(training.sources)))
    lines += ["### Licences", "Of the recordings, as stated at their source; the weights grant nothing beyond them."]
    return "\n\n".join([*lines, _table(("licence", "hours"), _by_hours(training.licences))])


def _scores(scores: pa.Table) -> str:
    if not scores.num_rows:
        return "## Evaluation\n\nNot evaluated."
    names = ("eval_set", "task", "lang", "metric", "num_utterances", "normaliser")
    chosen = [row for row in scores.to_pylist() if row["metric"] in HEADLINES and row["condition"] == "clean"]
    rows = [(*(str(row[name]) for name in names), _with_interval(row)) for row in chosen if row["source"] == "all"]
    return f"## Evaluation\n\n{_table((*names, 'value'), rows)}"


def _with_interval(row: Mapping[str, Any]) -> str:
    interval = "" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})"
    return f"{row['value']:.3f}{interval}"


def _by_hours(hours: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(name, f"{value:.2f}") for name, value in sorted(hours.items(), key=lambda item: (-item[1], item[0]))]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
