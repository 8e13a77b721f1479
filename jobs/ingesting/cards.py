"""The dataset card and the Croissant description of a corpus: into the folder of its shards, once for each corpus."""

from __future__ import annotations

from collections.abc import Mapping

from omegaconf import DictConfig

from jobs.command.config import instantiate
from pipeline import store
from pipeline.artifact import CARDS, Artifact
from pipeline.card.croissant import to_croissant
from pipeline.card.facts import read_facts
from pipeline.card.markdown import to_markdown


def publish_cards(cfg: DictConfig, artifacts: Mapping[str, Artifact]) -> None:
    """Write both beside the shards, where they are not the same already."""
    rules = {str(rule.reason): str(rule.why) for check in cfg.checks.values() for rule in check.rules}
    facts = read_facts(artifacts, rules, instantiate(cfg.shard).codec.extension)
    texts = dict(zip(CARDS, (to_markdown(facts), to_croissant(facts)), strict=True))
    known = read_cards(artifacts["shard_index"])
    for name, text in texts.items():
        if known.get(name) != text:
            store.publish(store.join(artifacts["shard_index"].uri, name), text.encode())


def read_cards(shard_index: Artifact) -> dict[str, str]:
    """Return the texts of the cards that lie beside shards, by name."""
    uris = {name: store.join(shard_index.uri, name) for name in CARDS}
    return {name: store.read_bytes(uri).decode() for name, uri in uris.items() if store.exists(uri)}
