"""The two words of a crawl, kept in its data root: a new `refresh` asks the web again for all that is stored, a new
`retry` for what failed and may pass. A plain ingest goes on with the last ones.
"""

from __future__ import annotations

import datetime
import json

from omegaconf import DictConfig

from pipeline import store
from pipeline.errors import unknown_name

FILE = "words.json"
NAMES = ("refresh", "retry")
AGAIN = {"all": "refresh", "failed": "retry"}  # what a setting `again` makes new


def settle_words(cfg: DictConfig, now: datetime.datetime) -> None:
    """Put the words in force into the settings and keep them: made new by `again`, else given, else the last ones."""
    if cfg.again is not None and cfg.again not in AGAIN:
        raise unknown_name("again", str(cfg.again), AGAIN)
    uri = store.join(cfg.data_root, FILE)
    last: dict[str, str] = json.loads(store.read_bytes(uri)) if store.exists(uri) else {}
    words = {name: str(cfg[name] or last.get(name, "")) for name in NAMES}
    if cfg.again is not None:
        words[AGAIN[cfg.again]] = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if words != last and not (cfg.explain or cfg.dry_run):
        store.publish(uri, json.dumps(words, indent=1).encode())
    for name, word in words.items():
        cfg[name] = word
