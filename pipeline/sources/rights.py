"""What a feed says about rights: the licence it states, and whether it refuses to be ingested.

A licence is only quoted here; the allow-list judges it. `podcast:locked` is about moving a feed and says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from pipeline.optouts import PRODUCT, TRAINING_USES
from pipeline.sources.xml import Name, Node, markup

LICENCES: tuple[Name, ...] = (
    ("podcast", "license"),
    ("creativecommons", "license"),
    ("cc", "license"),
    ("media", "license"),
)
NOTICES: tuple[Name, ...] = (
    ("", "copyright"),
    ("dc", "rights"),
    ("dc", "license"),
    ("atom", "rights"),
    ("media", "copyright"),
    ("media", "rights"),
)
BLOCKS: tuple[Name, ...] = (("podcast", "block"), ("itunes", "block"))
RESERVATIONS: tuple[Name, ...] = (("rsl", "content"), ("rsl", "license"), ("rsl", "rsl"))
_YES = frozenset({"yes", "true"})
_FREE = frozenset({"free", "attribution"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """A licence as stated; `evidence` is the statement as it stood and where."""

    name: str | None = None
    url: str | None = None
    evidence: str


def licence_of(nodes: Sequence[Node], where: str) -> Licence | None:
    """Read the licence off a channel's or item's own elements; a mere notice of rights is evidence without a name."""
    links = [node for node in nodes if node.name[1] == "link" and node.get("rel") == "license"]
    stated = [node for name in LICENCES for node in nodes if node.name == name] + links
    for node in stated:
        address = next((value for key in ("url", "href", "resource") if (value := node.get(key))), None)
        if node.text.startswith(("http://", "https://")):
            return Licence(url=node.text, evidence=f"{where}: {markup(node)}")
        if node.text or address:
            return Licence(name=node.text or None, url=address, evidence=f"{where}: {markup(node)}")
    notices = [markup(node) for name in NOTICES for node in nodes if node.name == name and node.text]
    return Licence(evidence=f"{where}: {' '.join(notices)}") if notices else None


def refusals(nodes: Sequence[Node], where: str) -> tuple[str, ...]:
    """Return a channel's or item's refusals, as they stand and where.

    podcast:block is read in its own order: a block that names us decides; else one that names nobody. itunes:block
    refuses whatever the others say, and so do the terms of RSL that forbid training or ask to be paid for.
    """
    blocks = [node for node in nodes if node.name == ("podcast", "block")]
    ours = [node for node in blocks if node.get("id").lower() == PRODUCT]
    deciding = ours or [node for node in blocks if not node.get("id")]
    deciding = [*deciding, *(node for node in nodes if node.name == ("itunes", "block"))]
    refusing = [node for node in deciding if node.text.lower() in _YES]
    reserved = chain.from_iterable(_reservations(node) for node in nodes if node.name[0] == "rsl")
    return tuple(f"{where}: {markup(node)}" for node in (*refusing, *reserved))


def _reservations(node: Node) -> list[Node]:
    words = set(node.text.lower().replace(",", " ").split())
    forbids = node.name[1] == "prohibits" and node.get("type") == "usage" and bool(words & TRAINING_USES)
    is_paid = node.name[1] == "payment" and node.get("type").lower() not in _FREE
    inner = [found for child in node.children for found in _reservations(child)]
    return [node, *inner] if forbids or is_paid else inner
