"""Evaluation sets as conf lists them, for who scores them and who keeps them out of training."""

from __future__ import annotations

from collections.abc import Mapping

from model.eval_sets.items import EvalSet
from model.sample import Cue
from pipeline import sidecars, store
from pipeline.errors import UserError
from pipeline.segment import captions


def by_name(sets: Mapping[str, EvalSet]) -> dict[str, EvalSet]:
    """Return the sets by the names of their results: their own, or the key in conf where one before has that."""
    named: dict[str, EvalSet] = {}
    for key, one in sets.items():
        name = key if one.name in named else one.name
        if name in named:
            raise UserError(f"eval_sets.{key} is called {name!r} as another is; expected a name of its own; change it")
        named[name] = one
    return named


def read_captions(uri: str) -> tuple[str, tuple[Cue, ...]]:
    """Read a caption file as eval sets want it: the text, and its cues; UserError for one that holds no words."""
    try:
        data = store.read_bytes(uri)
    except FileNotFoundError as error:
        raise UserError(f"caption {uri} of an evaluation set is not there; expected the words; mend the set") from error
    found = captions.take(data) if sidecars.format_of(uri) == sidecars.WORDS else captions.parse(data)
    cues = tuple(Cue(start_ms=cue.start_ms, end_ms=cue.end_ms, text=cue.text) for cue in found.cues)
    text = " ".join(cue.text for cue in cues) or " ".join(found.text.split())
    if not text:
        raise UserError(
            f"caption {uri} of an evaluation set holds no words ({found.status}: {found.detail}); "
            "expected captions, or words in a .txt; mend the set"
        )
    return text, cues
