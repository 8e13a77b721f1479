"""Languages heard by cross-fitting or by a model: confident where claims are wrong, silent where nothing is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline import schema, tables
from pipeline.annotate.audio_language import HearLanguages, audio_language_stage
from pipeline.annotate.crossfit import CrossFit, cross_fit
from pipeline.annotate.spoken import HeardSpoken, SilentSpoken, StatsSpoken
from pipeline.annotate.spoken_stats import num_stats, spoken_stats
from pipeline.annotate.stage import annotate_stage
from pipeline.audio import SAMPLE_RATE, Samples
from pipeline.stage import PART, Context
from tests.pipeline.annotate.rows import cue, recording_table, segment, segment_table

OPTIONS = CrossFit(num_folds=5, min_recordings=8)
LANGS = ("am", "en", "sw")


def corpus(num_each: int, wrong: Mapping[int, str], seed: int = 0) -> tuple[list[str], Any, list[str | None]]:
    """Recordings whose statistics are their language's, plus noise; some claim another language."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((len(LANGS), 12))
    spoken = np.repeat(np.arange(len(LANGS)), num_each)
    stats = centres[spoken] + 0.5 * rng.standard_normal((len(spoken), 12))
    claims: list[str | None] = [wrong.get(at, LANGS[lang]) for at, lang in enumerate(spoken)]
    return [f"r{at}" for at in range(len(spoken))], stats, claims


def test_a_wrong_claim_is_heard_by_models_that_never_saw_it() -> None:
    ids, stats, claims = corpus(20, {3: "sw", 25: "am", 47: "en"})
    heard = cross_fit(ids, stats, claims, OPTIONS)
    best = [heard.langs[int(row.argmax())] for row in heard.probs_NL]
    assert [best[at] for at in (3, 25, 47)] == ["am", "en", "sw"]
    claimed = np.array([heard.langs.index(str(claim)) for claim in claims])
    probs = heard.probs_NL[np.arange(60), claimed]
    assert set(np.argsort(probs)[:3].tolist()) == {3, 25, 47}


def test_claims_at_random_leave_no_confidence() -> None:
    ids, stats, _ = corpus(20, {})
    claims: list[str | None] = [LANGS[at] for at in np.random.default_rng(1).integers(0, 3, 60)]
    assert cross_fit(ids, stats, claims, OPTIONS).probs_NL.max() < 0.6


def test_a_language_of_few_recordings_is_not_told_and_one_alone_says_nothing() -> None:
    ids, stats, claims = corpus(20, dict.fromkeys(range(7), "cy"))
    assert cross_fit(ids, stats, claims, OPTIONS).langs == LANGS
    assert cross_fit(ids[:20], stats[:20], ["am"] * 20, OPTIONS).langs == ()


def test_recordings_without_statistics_or_claim_are_judged_or_left() -> None:
    ids, stats, claims = corpus(20, {})
    stats[0], claims[1] = np.nan, None
    heard = cross_fit(ids, stats, claims, OPTIONS)
    assert np.isnan(heard.probs_NL[0]).all()
    assert heard.langs[int(heard.probs_NL[1].argmax())] == "am"


def test_no_more_than_so_many_recordings_train() -> None:
    ids, stats, claims = corpus(20, {})
    few = cross_fit(ids, stats, claims, CrossFit(max_recordings=8))
    assert few.probs_NL.tolist() != cross_fit(ids, stats, claims, CrossFit()).probs_NL.tolist()
    assert abs([few.langs[int(row.argmax())] for row in few.probs_NL].count("am") - 20) <= 2


def gathered(claims: Sequence[str | None], spoken: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Run the stage on recordings of two segments each, in two parts."""
    rows = [
        segment(f"r{at}", start, start + 10, declared_lang=claim)
        for at, claim in enumerate(claims)
        for start in (0, 10)
    ]
    segments = segment_table(*rows)
    nothing = dict.fromkeys(schema.SPOKEN.names)
    measured = [
        {**nothing, **(spoken[at // 2] if at % 2 == 0 else {}), "segment_id": row["segment_id"]}
        for at, row in enumerate(rows)
    ]
    part = pa.array([int(at >= 2) for at in range(len(rows))])
    langs = pa.table({"segment_id": segments["segment_id"], "lang": pa.array(["en"] * len(rows))})
    inputs = {"segment": segments, "text_language": langs, "spoken": tables.from_rows(measured, schema.SPOKEN)}
    context = Context(blobs_uri="", output_uris={}, input_fingerprints={}, num_parts={"segment": 3})
    given = {name: table.append_column(PART, part) for name, table in inputs.items()}
    parts = HearLanguages(crossfit=OPTIONS)(given, context)["audio_language"]
    assert [len(table) for table in parts] == [2, len(rows) - 2, 0]
    return pa.concat_tables(parts).to_pylist()


def test_a_models_answers_pass_and_languages_that_disagree_are_told() -> None:
    heard = [{"langs": ["en", "cy"], "probs": probs} for probs in ([0.9, 0.1], [0.8, 0.2], [0.25, 0.75], [0.7, 0.3])]
    rows = gathered(["cy", "cy", "cy", None], heard)
    first = rows[0]
    assert rows[1] == {**first, "segment_id": "r0:10"}
    assert (first["claimed_lang"], first["audio_lang"]) == ("cy", "en")
    assert first["audio_probability"] == pytest.approx(0.9) and first["claimed_probability"] == pytest.approx(0.1)
    assert (first["claimed_agreement"], first["num_claimed"]) == (pytest.approx(1 / 3), 3)
    assert (rows[6]["claimed_lang"], rows[6]["claimed_agreement"]) == ("en", 1.0)


def test_where_nothing_listens_nothing_is_known() -> None:
    rows = gathered(["en", "sw"], [{}, {}])
    assert {row["audio_lang"] for row in rows} == {None}
    assert {row["claimed_agreement"] for row in rows} == {None}
    assert [row["claimed_lang"] for row in rows] == ["en", "en", "sw", "sw"]


def test_the_options_are_part_of_the_identity() -> None:
    [output] = audio_language_stage(OPTIONS).outputs
    assert output.config == {"num_folds": 5, "min_recordings": 8, "max_recordings": 2000}


@dataclass(frozen=True)
class Parrot:
    """Says how loud each window is, as the probability of English."""

    def identity(self) -> Mapping[str, Any]:
        return {"model": "parrot"}

    def languages(self, windows: Sequence[Samples]) -> list[Mapping[str, float]]:
        return [{"en": float(window.max()), "sw": 1 - float(window.max())} for window in windows]


def test_a_model_is_asked_three_times_a_recording_and_named_in_the_fingerprint() -> None:
    samples = np.repeat(np.linspace(0, 0.8, 9), SAMPLE_RATE).astype(np.float32)
    rows = [segment("r", 1000 * at, 1000 * (at + 1), cue(0, 900)) for at in range(9)]
    annotator = HeardSpoken(listener=Parrot())
    table = annotator.measure(segment_table(*rows, segment("r", 9000, 9500)), samples)
    assert table["langs"].to_pylist()[:2] == [["en", "sw"], None]
    assert table["probs"][0].as_py() == pytest.approx([0.4, 0.6])  # of windows 0, 4 and 8
    [output] = annotate_stage({"spoken": annotator}).outputs
    assert output.config == {"listener": {"model": "parrot"}}


def test_without_captions_nobody_is_asked() -> None:
    table = HeardSpoken(listener=Parrot()).measure(
        segment_table(segment("r", 0, 1000)), np.zeros(SAMPLE_RATE, np.float32)
    )
    assert table["probs"].to_pylist() == [None]


def test_statistics_stand_on_the_first_segment_and_need_three_seconds() -> None:
    rng = np.random.default_rng(2)
    samples = rng.standard_normal(10 * SAMPLE_RATE).astype(np.float32)
    table = segment_table(segment("r", 0, 5000, cue(0, 5000)), segment("r", 5000, 10_000, cue(0, 100)))
    stats = StatsSpoken().measure(table, samples)["stats"].to_pylist()
    assert [None if one is None else len(one) for one in stats] == [num_stats(), None]
    assert StatsSpoken().measure(table.slice(0, 1), samples[: 2 * SAMPLE_RATE])["stats"].to_pylist() == [None]
    silent = SilentSpoken().measure(table, recording_table())
    assert silent["stats"].null_count == 2


def test_a_stream_that_is_mostly_dead_has_no_language() -> None:
    noise = np.random.default_rng(2).standard_normal(5 * SAMPLE_RATE).astype(np.float32)
    dead = np.zeros_like(noise)
    whole, mostly = np.concatenate([noise, dead[:SAMPLE_RATE]]), np.concatenate([noise, dead, dead[:SAMPLE_RATE]])
    assert spoken_stats(dead, [(0, 5000)]) is None
    assert spoken_stats(mostly, [(0, 11_000)]) is None
    heard, alone = spoken_stats(whole, [(0, 6000)]), spoken_stats(noise, [(0, 5000)])
    assert heard is not None and alone is not None and np.abs(heard - alone).max() < 0.05


def test_loudness_does_not_change_the_statistics() -> None:
    samples = np.cumsum(np.random.default_rng(3).standard_normal(5 * SAMPLE_RATE)).astype(np.float32)
    samples /= np.abs(samples).max()
    loud, quiet = (spoken_stats(level * samples, [(0, 5000)]) for level in (1.0, 0.1))
    assert loud is not None and quiet is not None
    assert np.abs(loud - quiet).max() < 0.05
