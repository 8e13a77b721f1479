"""Sign: what each recording is compared by, and the keys under which it meets those it may repeat.

A map over segment parts: a grown corpus signs its new parts only, and takes the rest over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import tables
from pipeline.dedup import tables as t
from pipeline.dedup.buckets import lay_out
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.documents import bounds_of, codes_of, texts_of
from pipeline.dedup.kernels import BANDS, U64
from pipeline.dedup.shingles import Texts, measure
from pipeline.dedup.sound_match import sound_keys
from pipeline.dedup.strings import hashes
from pipeline.hosts import is_web, site_of
from pipeline.stage import Context, Output, Stage, Tables

I64 = NDArray[np.int64]
_TEXT_RANK = {"human": 3, None: 2, "auto": 1}
_NO_TEXT = 0


def sign_stage(config: DedupConfig) -> Stage:
    """Build the stage that signs every recording."""
    identity = {"min_text_words": config.min_text_words}
    return Stage(
        name="sign",
        reads={
            "segment": _SEGMENT_COLUMNS,
            "recording": _RECORDING_COLUMNS,
            "candidate": ("candidate_id", "seed_url"),
            "text_language": ("segment_id", "lang"),
            "sound_print": None,
        },
        outputs=(
            Output(name="signature", schema=t.SIGNATURE, version=1, config=identity, count_by=("source",)),
            Output(name="bucket", schema=t.BUCKET, version=2, config=identity, partitions=config.partitions),
        ),
        run=Sign(min_text_words=config.min_text_words, partitions=config.partitions),
        conserve=_every_recording_signs,
    )


_SEGMENT_COLUMNS = ("segment_id", "recording_id", "text", "cues", "declared_text_kind", "caption_auto_mark")
_RECORDING_COLUMNS = (
    *("recording_id", "candidate_id", "source", "page_url", "declared_split", "sha256", "pcm_sha256"),
    *("audio_bytes", "duration_ms", "sample_rate"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """The sign stage's function."""

    min_text_words: int
    partitions: int

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Sign a part of segments, recording by recording."""
        segments = tables.zip_columns(inputs["segment"], inputs["text_language"], inputs["sound_print"])
        bounds = bounds_of(segments)
        texts = measure(texts_of(segments, bounds))
        is_evidence = texts.num_words >= self.min_text_words
        ids = segments["recording_id"].take(pa.array(bounds[:-1]))
        signature = _signature(segments, bounds, _of_recordings(inputs, ids), texts, is_evidence)
        codes = codes_of(segments, bounds)
        return {"signature": [signature], "bucket": [self._bucket(signature, texts, is_evidence, codes)]}

    def _bucket(
        self, signature: pa.Table, texts: Texts, is_evidence: NDArray[np.bool_], codes: pa.ListArray
    ) -> pa.Table:
        rows = np.arange(signature.num_rows)
        long, short = rows[is_evidence], rows[~is_evidence & (texts.num_words > 0)]
        heard = np.flatnonzero(pc.list_value_length(codes).to_numpy())
        sounds = [sound_keys(codes[int(row)].values.to_numpy()) for row in heard]
        digest_keys = texts.digests[:, 0] ^ texts.digests[:, 1]
        # Equal texts need no key of their own: they share every band.
        keyed: list[tuple[int, I64, U64]] = [
            (t.EXACT_AUDIO, rows, hashes(signature["sha256"])),
            (t.EXACT_PCM, rows, hashes(signature["pcm_sha256"])),
            (t.MINHASH, np.repeat(long, BANDS), texts.bands[long].ravel()),
            (t.PHRASE, short, digest_keys[short]),
            (t.SOUND, np.repeat(heard, [len(keys) for keys in sounds]), np.concatenate([_NO_KEYS, *sounds])),
        ]
        return lay_out(keyed, hashes(signature["recording_id"]), self.partitions)


_NO_KEYS = np.zeros(0, np.uint64)


def _signature(
    segments: pa.Table, bounds: I64, recordings: pa.Table, texts: Texts, is_evidence: NDArray[np.bool_]
) -> pa.Table:
    starts, has_text = pa.array(bounds[:-1]), texts.num_words > 0
    digests = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(texts.digests), [pa.array(is_evidence).buffers()[1], pa.py_buffer(texts.digests)]
    )
    cue_ms = _cue_ms(segments, bounds)
    duration_ms = np.maximum(1, recordings["duration_ms"].to_numpy())
    columns: dict[str, Any] = {
        **{name: recordings[name] for name in ("recording_id", "source", "declared_split", "sha256", "pcm_sha256")},
        "feed": _feeds(recordings),
        "text_digest": digests,
        "text_lang": pc.if_else(has_text, segments["lang"].take(starts), None),
        "text_rank": np.where(has_text, _text_ranks(segments, starts), _NO_TEXT),
        "is_timed": cue_ms > 0,
        "coverage": np.minimum(1.0, cue_ms / duration_ms),
        "bit_rate": recordings["audio_bytes"].to_numpy() / duration_ms,
        "sample_rate": recordings["sample_rate"],
    }
    return pa.table({name: columns[name] for name in t.SIGNATURE.names}, schema=t.SIGNATURE)


def _of_recordings(inputs: Tables, ids: pa.ChunkedArray) -> pa.Table:
    """Return the recordings of some ids, in their order, with the seed each was found from."""
    recordings, candidates = inputs["recording"], inputs["candidate"]
    places = pc.index_in(recordings["candidate_id"], candidates["candidate_id"])
    recordings = recordings.append_column("seed_url", candidates["seed_url"].take(places))
    return recordings.take(pc.index_in(ids, recordings["recording_id"]))


def _feeds(rows: pa.Table) -> NDArray[np.float64]:
    """Place each recording's feed in [0, 1): seed and site; itself, where it was found in a file or a table's row."""
    pages = rows["page_url"].combine_chunks().dictionary_encode()
    urls: list[str] = pages.dictionary.to_pylist()
    is_fed = pa.array([is_web(url) and "#" not in url for url in urls], pa.bool_()).take(pages.indices)
    sites = pa.array(map(site_of, urls), pa.string()).take(pages.indices)
    feeds = pc.binary_join_element_wise(rows["source"], rows["seed_url"], sites, "\n", null_handling="replace")
    names = pc.if_else(is_fed, feeds, rows["recording_id"])
    return (hashes(names) >> np.uint64(11)).astype(np.float64) / (1 << 53)


def _text_ranks(segments: pa.Table, starts: pa.Array) -> NDArray[np.int64]:
    declared = segments["declared_text_kind"].take(starts).to_pylist()
    is_marked = pc.is_valid(segments["caption_auto_mark"].take(starts)).to_numpy()
    return np.where(is_marked, _TEXT_RANK["auto"], [_TEXT_RANK[kind] for kind in declared])


def _cue_ms(segments: pa.Table, bounds: I64) -> NDArray[np.int64]:
    """Return the time under cues of each recording."""
    cues = segments["cues"].combine_chunks()
    flat = cues.flatten()
    lengths = pc.subtract(pc.struct_field(flat, "end_ms"), pc.struct_field(flat, "start_ms")).to_numpy()
    ends = np.append(0, np.cumsum(pc.list_value_length(cues).fill_null(0).to_numpy()))[bounds]
    return np.diff(np.append(0, np.cumsum(lengths))[ends])


def _every_recording_signs(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    if "signature" not in outputs:
        return
    expected = pc.unique(inputs["segment"]["recording_id"])
    found = outputs["signature"][0]["recording_id"].combine_chunks()
    assert found.equals(expected), "the signatures are not those of the recordings with segments, in their order"
