"""A dataset's card, as Hugging Face writes it: the licence and language stated at the head of its README.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import yaml

from pipeline import store
from pipeline.languages import code_of
from pipeline.sources.rights import Licence

FILE = "README.md"
MAX_BYTES = 1 << 20  # cards with every file of a dataset listed have hundreds of kilobytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card states; a language only where it is the only one."""

    licence: Licence | None = None
    lang: str | None = None


def read_card(folder: str) -> Card:
    """Read the card of a folder; an empty one where there is none, or none that can be read."""
    uri = store.join(folder, FILE)
    if not store.exists(uri):
        return Card()
    text = store.read_range(uri, 0, MAX_BYTES).decode("utf-8-sig", "replace")
    head = text.split("\n---", 1)[0] if text.startswith("---") else ""
    try:
        value: Any = yaml.load(head, Loader=yaml.CBaseLoader)  # every scalar is text: 'no' is Norwegian
    except (yaml.YAMLError, RecursionError):
        value = None
    fields = cast(dict[Any, Any], value) if isinstance(value, dict) else {}
    langs = dict.fromkeys(code_of(tag) for tag in _texts(fields.get("language")))
    return Card(licence=_licence(fields, uri), lang=next(iter(langs)) if len(langs) == 1 else None)


def _licence(fields: dict[Any, Any], uri: str) -> Licence | None:
    stated = {key: _texts(fields.get(key)) for key in ("license", "license_name", "license_link")}
    name = " AND ".join(stated["license"])
    if not name:
        return None
    if name in ("other", "unknown") and stated["license_name"]:
        name = stated["license_name"][0]
    evidence = "; ".join(f"{key}: {', '.join(texts)}" for key, texts in stated.items() if texts)
    link = next(iter(stated["license_link"]), None)
    return Licence(name=name, url=link if link and "://" in link else None, evidence=f"{uri}: {evidence}")


def _texts(value: Any) -> list[str]:
    values = cast(list[Any], value) if isinstance(value, list) else [value]
    return [item.strip() for item in values if isinstance(item, str) and item.strip()]
