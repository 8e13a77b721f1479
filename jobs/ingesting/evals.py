"""From the evaluation sets in conf to what dedup keeps out of training; jobs/evaluate.py scores the same list."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from omegaconf import DictConfig

from jobs.command.config import instantiate
from jobs.evaluating.sets import by_name, read_captions
from jobs.running.flow import Flow
from model.eval_sets.items import EvalSet
from pipeline import artifact, store, tables
from pipeline.artifact import Artifact
from pipeline.dedup.evals import HeldOut, item_parts


def publish_evals(cfg: DictConfig, flow: Flow) -> dict[str, Artifact]:
    """List the items of all sets and publish them, once for each content; nothing where no set is listed.

    Items pass one part at a time, through a file each: their fingerprint is known when the last one was seen.
    """
    if not cfg.eval_sets:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        digests, parts = list[str](), list[Path]()
        for number, part in enumerate(item_parts(held_out(by_name(instantiate(cfg.eval_sets))))):
            digests.append(tables.digest(part))
            parts.append(Path(folder, artifact.part_name(number)))
            parts[-1].write_bytes(tables.to_parquet(part))
        fingerprint = artifact.fingerprint({"parts": digests})
        place = Artifact(root_uri=flow.root_uri, name="eval_item", fingerprint=fingerprint)
        if not artifact.is_complete(place):
            for number, path in enumerate(parts):
                artifact.publish_unit(place, number, {number: tables.read(str(path))}, ("eval_set",))
            artifact.publish_manifest(place, {"content": fingerprint}, len(parts))
    return {"eval_item": place}


def held_out(sets: Mapping[str, EvalSet]) -> Iterator[HeldOut]:
    """Yield the items of all sets that have words or sound of somebody's; what Sotto makes itself has neither."""
    for name, one in sets.items():
        for item in one.items(read_captions):
            uri = item.audio_uri
            if uri and store.is_local(uri):
                uri = str(store.local_path(uri).absolute())  # workers may run elsewhere
            if uri or item.text:
                yield HeldOut(eval_set=name, item=item.item_id, text=item.text, audio_uri=uri)
