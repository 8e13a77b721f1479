"""The tables that only the stages of dedup read, and the methods they name by number; nobody else may rely on them.

A recording is named by its place: number of its part << 32 | its row in the part's signatures.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from pipeline.schema import BOOL, CLUSTER, FLOAT, INT, STRING

# The strongest evidence first; a phrase is a caption too short to be evidence.
METHODS = ("exact_audio", "exact_pcm", "audio_fingerprint", "exact_text", "minhash")
EXACT_AUDIO, EXACT_PCM, SOUND, EXACT_TEXT, MINHASH, PHRASE = range(6)
UNIQUE = "unique"
ROW_BITS = 32
ROW_MASK = (1 << ROW_BITS) - 1

Columns = dict[str, pa.DataType]


def _table(name: str, columns: Columns) -> pa.Schema:
    return pa.schema(list(columns.items()), metadata={"sotto.table": name})


def _of_cluster(names: Iterable[str]) -> Columns:
    return {name: CLUSTER.field(name).type for name in names}


VERDICT = ("cluster_id", "is_representative", "method", "partner_id", "similarity", "offset_ms")
SPLIT = ("split_at", "declared_split")
EVAL = ("eval_set", "eval_item", "eval_method", "eval_overlap")

_SIGNED: Columns = {
    "recording_id": STRING,
    "source": STRING,
    "feed": FLOAT,  # place in [0, 1) of the feed it was found in, or of itself
    "declared_split": STRING,
    "sha256": STRING,
    "pcm_sha256": STRING,
    "text_digest": pa.binary(16),  # of all words, compared loosely; null when they are too few to be evidence
    "text_lang": STRING,
    "text_rank": INT,  # 3 a human's caption, 2 of unknown origin, 1 a recogniser's, 0 none
    "is_timed": BOOL,
    "coverage": FLOAT,  # share of the audio that lies under cues
    "bit_rate": FLOAT,  # bytes of the file per ms of audio
    "sample_rate": INT,
}

SIGNATURE = _table("signature", _SIGNED)  # one row for each recording of a segment part, in its order
BUCKET = _table(
    "bucket",
    {
        "partition": pa.int16(),
        "key": pa.uint64(),  # recordings that share one may be duplicates
        "method": pa.int8(),
        "row": pa.uint32(),
        "order": pa.uint32(),  # hash of recording_id: an order that does not depend on arrival
    },
)
# Two recordings that may be duplicates; a recording and itself, where only its short text recurs.
PAIR = _table("pair", {"one": pa.uint64(), "other": pa.uint64(), "method": pa.int8()})
LINK = _table(
    "link",
    {"partition": pa.int16(), "one": pa.uint64(), "other": pa.uint64(), "methods": pa.int16()},  # sum of 1 << method
)
WANTED = _table("wanted", {"partition": pa.int16(), "place": pa.uint64()})
PHRASED = _table("phrased", {"row": pa.uint32()})
WITNESS = _table(
    "witness",
    {
        "partition": pa.int16(),
        "place": pa.uint64(),
        **_SIGNED,
        "shingles": pa.large_list(pa.uint64()),  # a sorted set
        "codes": pa.list_(pa.uint32()),  # the whole sound print
    },
)
MEMBER = _table(
    "member",
    {
        "place": pa.uint64(),
        **{name: _SIGNED[name] for name in ("recording_id", "source", "feed", "declared_split")},
        **_of_cluster(VERDICT),
    },
)
EVAL_ITEM = _table(
    "eval_item",
    {"eval_set": STRING, "item": STRING, "text": STRING, "audio_uri": STRING, "validator": STRING},
)
EVAL_PRINT = _table(
    "eval_print",
    {
        "eval_set": STRING,
        "item": STRING,
        "size": INT,  # words of each n-gram, characters where words are not spaced
        "grams": pa.list_(pa.uint64()),  # hashes of its n-grams; empty when the text is too short to be evidence
        "pcm_sha256": STRING,
        "codes": pa.list_(pa.uint32()),
        "late_codes": pa.list_(pa.uint32()),  # half a frame later
    },
)
CONTAMINATION = _table("contamination", {"row": pa.uint32(), "recording_id": STRING, **_of_cluster(EVAL)})
# Only recordings there is something to say of; every other one is unique.
SETTLED = _table(
    "settled",
    {"row": pa.uint32(), "recording_id": STRING, **_of_cluster((*VERDICT, *EVAL, *SPLIT)), "has_common_text": BOOL},
)
# Feeds whose recordings are not placed by the feed alone, and where they all go.
FEED_SPLIT = _table("feed_split", {"feed": FLOAT, **_of_cluster(SPLIT)})

DEDUP_TABLES = tuple(
    table.metadata[b"sotto.table"].decode()
    for table in (
        *(SIGNATURE, BUCKET, PAIR, LINK, WANTED, PHRASED, WITNESS, MEMBER),
        *(EVAL_ITEM, EVAL_PRINT, CONTAMINATION, SETTLED, FEED_SPLIT),
    )
)
