"""The files: each has the size, hash and rows its manifest states, and none lies there that nobody lists."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pyarrow.lib
import pyarrow.parquet as pq

from pipeline import artifact, store
from pipeline.artifact import CARDS, MANIFEST, RECEIPTS, Artifact
from pipeline.verify.corpus import Corpus
from pipeline.verify.verdict import Tally, Verdict

TEMPORARY = re.compile(r"\.tmp-")
DAY_S = 24 * 3600.0


def parts_are_what_their_manifests_say(corpus: Corpus, tally: Tally) -> None:
    """I3, its tables: every Parquet part has the sha256 and the rows of its manifest."""
    for name, place in sorted(corpus.made.items()):
        manifest = artifact.read_manifest(place)
        tally.check(
            manifest["rows"] == sum(part["rows"] for part in manifest["parts"]),
            f"{name}: its manifest counts {manifest['rows']} rows, its parts have others",
        )
        for part in manifest["parts"]:
            fault = _fault(store.join(place.uri, part["name"]), part["sha256"], part["rows"])
            tally.check(fault is None, f"{name}/{place.fingerprint}/{part['name']} {fault}")


def nothing_lies_unlisted(corpus: Corpus, now_s: float) -> Verdict:
    """I4: no file under a final name that no manifest lists; what a killed run left is noted after a day."""
    tally = Tally("I4", "no unlisted file under a final name")
    for name, place in sorted(corpus.made.items()):
        listed = set(_listed(corpus, place))
        for file, written_s in store.walk(place.uri):
            where = f"{name}/{place.fingerprint}/{file}"
            if not TEMPORARY.search(file):
                tally.check(file in listed, f"{where} is in no manifest")
            elif now_s - written_s > DAY_S:
                tally.note(f"temporary files older than a day, such as {where}")
    return tally.verdict()


def _listed(corpus: Corpus, place: Artifact) -> Iterator[str]:
    yield MANIFEST
    parts = artifact.read_manifest(place)["parts"]
    yield from (part["name"] for part in parts)
    yield from (f"{RECEIPTS}/{unit:05d}.json" for unit in range(len(parts)))
    if place.name == "shard_index":
        yield from CARDS
        yield from (row["uri"] for row in corpus.rows("shard_index", ("uri",)))


def _fault(uri: str, sha256: str, num_rows: int) -> str | None:
    try:
        data = store.read_bytes(uri)
    except FileNotFoundError:
        return "is missing"
    if hashlib.sha256(data).hexdigest() != sha256:
        return "has another sha256 than its manifest"
    try:
        found = pq.read_metadata(pyarrow.lib.BufferReader(data)).num_rows
    except pyarrow.lib.ArrowInvalid as error:
        return f"is no Parquet file: {error}"
    return None if found == num_rows else f"has {found} rows; its manifest says {num_rows}"
