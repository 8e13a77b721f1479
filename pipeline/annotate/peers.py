"""Each window against its peers: its reading speed, its bare style, its place in its recording and source.

Places are drawn by lot (a hash of the window's id), so that a rule `recording_rank < N` keeps N windows at most and the
same ones on every run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import schema
from pipeline.annotate.recordings import into_parts
from pipeline.ids import number_of
from pipeline.stage import PART, Context, Output, Stage, Tables, same_segments

MIN_PEERS = 30  # windows of a language before its speed is known
MIN_HEARD = 8  # windows of a language before it is known how a model hears it
MIN_MARGIN = 0.3  # of a language's median window: below, a right text is hardly nearer than one of other speech
MARGINS = ("margin", "document_margin")
MIN_SPEECH_S = 1.5  # shorter windows have any speed
MIN_SPREAD = 0.12  # of the log speed: languages of one careful reader are not judged finer than that (2026-11)
# Seconds of speech under which a window's speed varies by its words more than by its speaker; the corpus chooses.
_SHORT_S = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)
_MAX_FITTED = 20_000  # windows of a language that choose
_SIGMA = 1.4826  # median absolute deviation to standard deviation, for normal values
_CAUCHY = 0.612  # standard deviation of normal values to the scale of the Cauchy distribution that fits them best

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def peers_stage(has_agreement: bool) -> Stage:
    """Build the stage: a gather, since every window is compared with all; with agreement where it is measured."""
    agreement = {"agreement": ("segment_id", "error_rate", *MARGINS)} if has_agreement else {}
    return Stage(
        name="peers",
        reads={
            "segment": ("segment_id", "recording_id", "source", "text"),
            "text_language": ("segment_id", "lang"),
            "machine_text": ("segment_id", "is_bare"),
            "speech": ("segment_id", "chars_per_speech_s"),
            **agreement,
        },
        outputs=(Output(name="peers", schema=schema.PEERS, version=4, config={"has_agreement": has_agreement}),),
        run=compare,
        conserve=same_segments,
        is_gather=True,
    )


def compare(inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
    """Compare every window with the corpus."""
    segments, langs = inputs["segment"], inputs["text_language"]["lang"]
    chars = pc.utf8_length(segments["text"])
    has_text = np.asarray(pc.fill_null(pc.greater(chars, 0), False).to_numpy(), dtype=bool)
    speed = _floats(inputs["speech"]["chars_per_speech_s"])
    num_chars = _floats(chars)
    speech_s = num_chars / np.where(speed > 0, speed, np.nan)
    speed = np.where(speech_s >= MIN_SPEECH_S, speed, np.nan)
    deviation, num_peers = deviations(np.log(speed), speech_s, _codes(langs))
    unasked = np.full(len(speed), np.nan)
    errors, margin, document_margin = (
        _floats(inputs["agreement"][name]) if "agreement" in inputs else unasked for name in ("error_rate", *MARGINS)
    )
    usual = usual_margins(margin, _codes(langs))
    untold = np.where(np.isnan(margin), document_margin, np.nan)  # a window's own margin tells more than its document's
    lots = np.array([number_of(segment_id) for segment_id in segments["segment_id"].to_pylist()], dtype=np.uint64)
    columns: dict[str, Any] = {
        "segment_id": segments["segment_id"],
        "rate_deviation": pa.array(deviation, from_pandas=True),
        "num_peers": pa.array(num_peers),
        "agreement_quantile": pa.array(quantiles(errors, _codes(langs)), from_pandas=True),
        "heard_margin": pa.array(margin / usual, from_pandas=True),
        "document_heard_margin": pa.array(untold / usual, from_pandas=True),
        "recording_rank": _ranks(_codes(segments["recording_id"]), lots, has_text),
        "source_rank": _ranks(_codes(segments["source"]), lots, has_text),
        "bare_peer_ratio": _bare_peers(inputs["machine_text"]["is_bare"], _pairs(segments["source"], langs)),
        PART: segments[PART],
    }
    return {"peers": into_parts(pa.table(columns), context.num_parts["segment"])}


def deviations(values: Floats, speech_s: Floats, groups: Ints) -> tuple[Floats, Ints]:
    """Return each value's robust sigmas from its group's median (NaN in small groups), and the groups' sizes.

    Short windows vary more: a window's variance is its group's times 1 + s / seconds of speech, s being what makes the
    group's deviations likeliest.
    """
    found, sizes = np.full(len(values), np.nan), np.zeros(len(values), dtype=np.int64)
    for group in np.unique(groups):
        inside = groups == group
        rows = np.flatnonzero(inside & ~np.isnan(values))
        sizes[inside] = len(rows)
        if len(rows) >= MIN_PEERS:
            away = values[rows] - np.median(values[rows])
            found[rows] = away / _spreads(away, speech_s[rows])
    return found, sizes


def _spreads(away: Floats, speech_s: Floats) -> Floats:
    """Return the standard deviation expected of each deviation, by its seconds of speech."""
    step = -(-len(away) // _MAX_FITTED)
    some, some_s = away[::step], speech_s[::step]
    best, least = np.ones(1), np.inf
    for short_s in _SHORT_S:
        shape = np.sqrt(1 + short_s / some_s)
        scale = _SIGMA * float(np.median(np.abs(some / shape)))
        spread = np.maximum(MIN_SPREAD, scale * shape)
        # Cauchy's likelihood: windows of wrong text, however far out, weigh little.
        loss = float(np.mean(np.log(spread) + np.log1p(np.square(some / (_CAUCHY * spread)))))
        if loss < least:
            best, least = np.maximum(MIN_SPREAD, scale * np.sqrt(1 + short_s / speech_s)), loss
    return best


def quantiles(values: Floats, groups: Ints) -> Floats:
    """Return the share of its group's values below each value; NaN stays, and is what small groups get."""
    found = np.full(len(values), np.nan)
    for group in np.unique(groups):
        rows = np.flatnonzero((groups == group) & ~np.isnan(values))
        if len(rows) >= MIN_PEERS:
            known = np.sort(values[rows])
            found[rows] = np.searchsorted(known, values[rows]) / len(known)
    return found


def usual_margins(margins: Floats, groups: Ints) -> Floats:
    """Return the median of each value's group; NaN in small groups, and where the model hardly hears it."""
    found = np.full(len(margins), np.nan)
    for group in np.unique(groups):
        inside = groups == group
        known = margins[inside & ~np.isnan(margins)]
        if len(known) >= MIN_HEARD and (usual := float(np.median(known))) >= MIN_MARGIN:
            found[inside] = usual
    return found


def _ranks(groups: Ints, lots: NDArray[np.uint64], counts: NDArray[np.bool_]) -> pa.Array:
    """Rank the windows that count within their groups by their lots; the others have none."""
    ranks = np.full(len(groups), -1, dtype=np.int64)
    rows = np.flatnonzero(counts)
    order = rows[np.lexsort((lots[rows], groups[rows]))]
    starts = np.concatenate([[True], groups[order][1:] != groups[order][:-1]]) if len(order) else np.zeros(0, bool)
    places = np.arange(len(order))
    ranks[order] = places - np.maximum.accumulate(np.where(starts, places, 0))
    return pa.array(ranks, mask=ranks < 0)


def _bare_peers(is_bare: pa.ChunkedArray, groups: Ints) -> pa.Array:
    """Return for bare windows the share of their group's windows that are bare; null in small groups."""
    known = np.asarray(pc.is_valid(is_bare).to_numpy(), dtype=bool)
    bare = np.asarray(pc.fill_null(is_bare, False).to_numpy(), dtype=bool)
    codes, num = groups - groups.min(initial=0), int(groups.max(initial=0) - groups.min(initial=0)) + 1
    counts = np.bincount(codes[known], minlength=num)
    shares = np.bincount(codes[bare], minlength=num) / np.maximum(1, counts)
    return pa.array(shares[codes], mask=~(bare & (counts[codes] >= MIN_PEERS)))


def _pairs(first: pa.ChunkedArray, second: pa.ChunkedArray) -> Ints:
    """Return a number for each pair of values."""
    codes = _codes(second) + 1
    return _codes(first) * (int(codes.max(initial=0)) + 1) + codes


def _codes(column: pa.ChunkedArray) -> Ints:
    encoded = column.combine_chunks().dictionary_encode()
    return np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), dtype=np.float64)
