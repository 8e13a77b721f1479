"""No secret in what is handed on: the ledger, the index of the shards and the reports (samples: see shards.py)."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import store
from pipeline.redact import secrets_in
from pipeline.verify.corpus import Corpus
from pipeline.verify.verdict import Tally

LEDGER_TEXTS = ("page_url", "audio_url", "reason", "license")


def no_output_holds_a_secret(corpus: Corpus, tally: Tally) -> None:
    """I13: no key, no credentials and no signed address in any output."""
    for name, text in _texts(corpus):
        secrets = secrets_in(text)
        tally.check(not secrets, f"{name} holds {', '.join(secrets[:3])}")


def _texts(corpus: Corpus) -> Iterator[tuple[str, str]]:
    for row in corpus.rows("ledger", ("candidate_id", *LEDGER_TEXTS)):
        yield f"ledger row {row['candidate_id']}", "\n".join(row[name] or "" for name in LEDGER_TEXTS)
    for row in corpus.rows("shard_index", ("shard_id", "origins")):
        yield f"index of shard {row['shard_id']}", "\n".join(url for origin in row["origins"] for url in origin["urls"])
    for folder in ("reports", "latest"):
        root_uri = store.join(corpus.data_root, folder)
        for file, _ in store.walk(root_uri):
            yield f"{folder}/{file}", store.read_bytes(store.join(root_uri, file)).decode("utf-8", "replace")
