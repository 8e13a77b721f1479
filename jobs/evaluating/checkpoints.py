"""From the evaluation's configuration to measured checkpoints: which items, which noise, which rows."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig

from jobs.command.config import instantiate
from jobs.evaluating.sets import by_name, read_captions
from model.checkpoint import Loaded, load
from model.data.corpus import Corpus, resolve_shards
from model.data.noise import NOISES, in_noise, make_noise
from model.eval_sets.items import AudioFile, EvalItem, EvalSet
from model.eval_sets.shards import ShardSet
from model.evaluation.evaluate import EvalOptions, Utterance, evaluate
from model.evaluation.results import CLEAN, Comparison, Place, compare, result_rows
from pipeline import store
from pipeline.audio import Samples
from pipeline.errors import DataError, UserError, unknown_name

MAX_TALKERS = 24
Key = tuple[str, str]  # eval set, condition
Answers = dict[Key, list[Utterance]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The sweep: kinds of noise, ratios of speech to noise, and how many items of a set it takes."""

    kinds: Sequence[str]
    snrs_db: Sequence[float]
    max_items: int

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in NOISES:
                raise unknown_name("noise", kind, NOISES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """conf/evaluate.yaml, typed; its settings for the sets stand in them."""

    checkpoint: str
    against: Sequence[str]
    eval_sets: Mapping[str, EvalSet]
    decode: Any
    shards: str | None
    split: str
    max_items: int | None
    resamples: int
    noise: Noise
    listening: EvalOptions
    num_examples: int
    out: str | None
    device: str
    tracking: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return Path(self.out) if self.out else Path(self.checkpoint).parent / "eval"


def read_settings(cfg: DictConfig) -> tuple[Settings, Loaded]:
    """Load the checkpoint and build the sets; UserError where shards are asked for that nobody names."""
    loaded = load(cfg.checkpoint, cfg.device)
    cfg.shards = cfg.shards or loaded.card.shards_uri
    built = instantiate(cfg)
    settings = Settings(**(built | {"noise": Noise(**built["noise"])}))
    if not settings.eval_sets:
        raise UserError("eval_sets are none; expected one or more; add +eval_set@eval_sets.NAME=folder")
    if any(isinstance(one, ShardSet) and one.shards is None for one in settings.eval_sets.values()):
        raise UserError(
            f"checkpoint {cfg.checkpoint} names no shards; expected a split to decode; "
            "give shards=FOLDER, or leave the set out: '~eval_set@eval_sets.shards'"
        )
    return settings, loaded


def list_items(settings: Settings) -> dict[str, list[EvalItem]]:
    """List the items of every set by its name; UserError for what is not there, before anything is heard."""
    sets = by_name(settings.eval_sets)
    found = {name: spread(list(one.items(read_captions)), settings.max_items) for name, one in sets.items()}
    for name, items in found.items():
        for item in items:
            _find(name, item)
    return found


def answer(loaded: Loaded, sets: Mapping[str, Sequence[EvalItem]], settings: Settings) -> Answers:
    """Ask a checkpoint everything: each set as it is, then in noise."""
    answers = {(name, CLEAN): evaluate(loaded, items, settings.listening) for name, items in sets.items()}
    noise = settings.noise
    spoken = {
        name: spread([one for one in items if one.task == "transcribe"], noise.max_items)
        for name, items in sets.items()
    }
    quick = replace(settings.listening, times_words=False, takes_losses=False)
    for condition, hear in conditions(noise, [item for items in spoken.values() for item in items]):
        for name, items in spoken.items():
            noisy = [replace(item, hear=functools.partial(hear, item)) for item in items]
            answers |= {(name, condition): evaluate(loaded, noisy, quick)} if noisy else {}
    return answers


def conditions(noise: Noise, spoken: Sequence[EvalItem]) -> Iterator[tuple[str, Callable[[EvalItem], Samples]]]:
    """Yield each condition with what an item sounds like in it; babble is made of the items themselves."""
    if not noise.kinds or not spoken:
        return
    talkers = [item.hear() for item in spread(spoken, MAX_TALKERS)] if "babble" in noise.kinds else []
    for kind, snr_db in itertools.product(noise.kinds, noise.snrs_db):
        yield f"{kind} {snr_db:g} dB", functools.partial(_hear_in_noise, kind, snr_db, talkers)


def rows_of(answers: Answers, checkpoint: str, resamples: int) -> list[dict[str, Any]]:
    """Return EVAL_RESULT's rows of everything a checkpoint answered."""
    return [
        row
        for (name, condition), utterances in answers.items()
        for row in result_rows(utterances, Place(checkpoint=checkpoint, eval_set=name, condition=condition), resamples)
    ]


def comparisons(first: Answers, second: Answers, resamples: int) -> list[Comparison]:
    """Compare two checkpoints on every set without noise."""
    return [
        row
        for (name, condition), utterances in first.items()
        if condition == CLEAN
        for row in compare(utterances, second[name, condition], name, resamples)
    ]


def hours_of(shards: str | None) -> dict[str, float]:
    """Return the hours of transcribed speech trained on by language; nothing where the shards are not at hand."""
    try:
        hours = Corpus(resolve_shards(shards), "train").hours() if shards else {}
    except (UserError, DataError, FileNotFoundError):
        return {}
    return {stream.removeprefix("transcribe-"): value for stream, value in hours.items() if "transcribe-" in stream}


def as_jsonl(answers: Answers, checkpoint: str) -> str:
    """Write every answer beside its reference, a line each."""
    lines = (
        {
            "checkpoint": checkpoint,
            "eval_set": name,
            "condition": condition,
            "item": one.item.item_id,
            "task": one.item.task,
            "lang": one.item.lang,
            "heard_lang": one.heard_lang,
            "reference": one.item.text,
            "hypothesis": one.hypothesis,
        }
        for (name, condition), utterances in answers.items()
        for one in utterances
    )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def spread(items: Sequence[T], most: int | None) -> list[T]:
    """Return at most so many items, evenly spread over all."""
    if most is None or len(items) <= most:
        return list(items)
    return [items[place * len(items) // most] for place in range(most)]


def _find(eval_set: str, item: EvalItem) -> None:
    """Refuse an item whose audio is not on this disk; elsewhere, asking for thousands takes too long."""
    if isinstance(item.hear, AudioFile) and store.is_local(item.hear.uri) and not store.exists(item.hear.uri):
        raise UserError(
            f"evaluation set {eval_set!r} has no audio {item.hear.uri}; expected what {item.item_id!r} sounds like; "
            "mend the set, or leave it out"
        )


def _hear_in_noise(kind: str, snr_db: float, talkers: Iterable[Samples], item: EvalItem) -> Samples:
    speech = item.hear()
    others = [talker for talker in talkers if len(talker) != len(speech) or (talker != speech).any()]
    return in_noise(speech, make_noise(kind, len(speech), f"{kind}/{item.item_id}", others), snr_db)
