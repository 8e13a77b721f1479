"""What trained cells answer: the judging corpus's held-out items, asked once and kept beside the checkpoint.

What is kept are the texts and losses, not the sound: enough to measure, draw and compare again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, NoReturn

from hydra import compose

from jobs.evaluating.checkpoints import answer, list_items, read_settings
from jobs.studying.settings import Cell, Settings
from model.eval_sets.items import EvalItem
from model.evaluation.evaluate import Utterance
from model.evaluation.timing import Timing
from pipeline import store
from pipeline.errors import UserError

FILE = "answers.json"
ITEM = ("item_id", "recording_id", "source", "lang", "text")
ANSWER = ("hypothesis", "duration_ms", "heard_lang", "heard_nobody", "nll", "num_tokens")


def ask(settings: Settings, cell: Cell, shards: str) -> list[Utterance]:
    """Return what a trained cell transcribes; the same checkpoint is not asked the same twice."""
    path, kept = cell.checkpoint(settings.name), cell.folder(settings.name) / FILE
    asked = [path.resolve().name, shards, *settings.evaluate]
    if kept.exists() and (known := json.loads(kept.read_text()))["asked"] == asked:
        return [_read(one) for one in known["answers"]]
    given = [f"checkpoint={path}", f"shards={shards}", *settings.evaluate]
    evaluation, loaded = read_settings(compose("evaluate", given))
    answers = answer(loaded, list_items(evaluation), evaluation)
    found = [one for utterances in answers.values() for one in utterances if one.item.task == "transcribe"]
    if not found:
        raise UserError(f"evaluation {asked} has nothing to transcribe; expected speech with text; mend evaluate")
    store.publish(str(kept), json.dumps({"asked": asked, "answers": [_plain(one) for one in found]}).encode())
    return found


def _plain(one: Utterance) -> dict[str, Any]:
    item = {name: getattr(one.item, name) for name in ITEM}
    timing = None if one.timing is None else asdict(one.timing)
    return {name: getattr(one, name) for name in ANSWER} | {"item": item, "timing": timing}


def _read(plain: dict[str, Any]) -> Utterance:
    timing = plain.pop("timing")
    item = EvalItem(**plain.pop("item"), task="transcribe", hear=_unheard)
    times = None if timing is None else Timing(errors_ms=tuple(timing["errors_ms"]), num_edges=timing["num_edges"])
    return Utterance(**plain, item=item, timing=times)


def _unheard() -> NoReturn:
    raise AssertionError("answers are kept without their sound")
