"""Run the line from segmenting to deciding on labelled recordings in memory, and score its verdicts by window."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import DictConfig

from jobs.benchmarks.spoiling import Recording
from jobs.command.config import instantiate
from jobs.ingesting.wiring import build_checks
from pipeline import schema, store, tables
from pipeline.annotate.agreement import AgreementAnnotator
from pipeline.annotate.audio_language import audio_language_stage
from pipeline.annotate.peers import peers_stage
from pipeline.annotate.stage import annotate_stage
from pipeline.decide.route import route
from pipeline.decide.rules import judge
from pipeline.decide.stage import windows_to_route
from pipeline.segment.stage import segment_stage
from pipeline.stage import PART, Context, Stage

BAD_SHARE, CLEAN_SHARE = 0.8, 0.05  # of a window; between the two it is neither
MIN_SPAN_MS = 1
WHOLE = ("lower_case", "upper_case")  # a document's habit: its untouched windows are judged with it, and not scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A window with text: what is wrong with it ("clean": nothing), and what became of it."""

    lang: str
    defect: str
    strength: int
    reasons: tuple[str, ...]
    is_kept: bool


def run_line(cfg: DictConfig, recordings: Sequence[Recording]) -> list[Outcome]:
    """Segment, annotate and decide; windows only half touched by a defect are left out."""
    with tempfile.TemporaryDirectory() as blobs:
        found = {"recording": recording_table(recordings, blobs)}
        found |= run_stage(segment_stage(instantiate(cfg.segment)), found, blobs)
        annotators, checks = build_checks(cfg)
        found |= run_stage(annotate_stage(annotators), found, blobs)
    found |= run_stage(audio_language_stage(instantiate(cfg.audio_language.crossfit)), found, "")
    found |= run_stage(peers_stage(has_agreement=AgreementAnnotator.NAME in annotators), found, "")
    segments = found["segment"]
    has_text = np.asarray(pc.is_valid(segments["text"]).to_numpy(), dtype=bool)
    verdicts = judge(list(checks.values()), found, has_text)
    windows = windows_to_route(segments, found["text_language"], found["speech"], found["audio_language"])
    routed = route(windows, instantiate(cfg.decide).route)
    by_key = {recording.key: recording for recording in recordings}
    names = np.array(verdicts.reasons)
    rows = zip(segments.to_pylist(), verdicts.rejects, routed.reason.to_pylist(), routed.lang.to_pylist(), strict=True)
    return [
        outcome
        for segment, rejects, mismatch, lang in rows
        if segment["text"]
        for outcome in _outcome(
            by_key[segment["recording_id"]], segment, (*names[rejects], *([mismatch] if mismatch else [])), lang
        )
    ]


def score_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Say how many bad windows are caught and how many clean ones are lost: by language, by defect and strength."""
    langs = sorted({one.lang for one in outcomes})
    yield f"{'':<18}" + "".join(f"{lang:>14}" for lang in (*langs, "all"))
    for title, is_bad in (("caught", True), ("clean lost", False)):
        groups = [
            [one for one in outcomes if (one.defect != "clean") == is_bad and one.lang in pair]
            for pair in (*([lang] for lang in langs), langs)
        ]
        yield f"{title:<18}" + "".join(f"{_share(group):>14}" for group in groups)
    yield ""
    yield f"{'defect':<18}{'weak':>14}{'middle':>14}{'strong':>14}   by"
    for defect in dict.fromkeys(one.defect for one in outcomes if one.defect != "clean"):
        own = [one for one in outcomes if one.defect == defect]
        cells = (_share([one for one in own if one.strength == strength]) for strength in range(3))
        yield f"{defect:<18}" + "".join(f"{cell:>14}" for cell in cells) + f"   {_reasons(own)}"
    yield ""
    lost = [one for one in outcomes if one.defect == "clean" and not one.is_kept]
    yield f"clean windows lost by: {_reasons(lost) or 'none'}"


def missed_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Count the bad windows that were kept, by language, defect and strength."""
    missed = Counter((one.defect, one.strength, one.lang) for one in outcomes if one.defect != "clean" and one.is_kept)
    for (defect, strength, lang), count in sorted(missed.items()):
        yield f"missed: {defect} strength {strength} {lang}: {count}"


def recording_table(recordings: Sequence[Recording], blobs: str) -> pa.Table:
    """Store the audio and captions of recordings, and list them as if they had been fetched."""
    nothing: dict[str, Any] = dict.fromkeys(schema.RECORDING.names)
    rows = [
        {
            **nothing,
            "recording_id": recording.key,
            "source": "labelled",
            "status": "ok",
            "text_status": "ok",
            "declared_lang": recording.claimed_lang,
            "sha256": store.put_blob(blobs, recording.audio()),
            "text_sha256": store.put_blob(blobs, recording.captions().encode()),
            "duration_ms": recording.duration_ms,
        }
        for recording in recordings
    ]
    return tables.from_rows(rows, schema.RECORDING)


def run_stage(stage: Stage, found: Mapping[str, pa.Table], blobs: str) -> dict[str, pa.Table]:
    """Run a stage on whole tables, in one unit."""
    inputs = {
        name: found[name].append_column(PART, pa.repeat(0, len(found[name]))) if stage.is_gather else found[name]
        for name in stage.reads
    }
    names = [output.name for output in stage.outputs]
    context = Context(
        blobs_uri=blobs, output_uris=dict.fromkeys(names, ""), input_fingerprints={}, num_parts=dict.fromkeys(inputs, 1)
    )
    outputs = stage.run(inputs, context)
    return {name: pa.concat_tables(outputs[name]) for name in names}


def _outcome(recording: Recording, segment: Mapping[str, Any], reasons: Sequence[str], lang: str) -> Iterator[Outcome]:
    start_ms, end_ms = segment["start_ms"], segment["end_ms"]
    touched_ms = sum(max(0, min(end_ms, last) - max(start_ms, first)) for first, last in recording.bad_ms)
    share = touched_ms / max(MIN_SPAN_MS, end_ms - start_ms)
    if CLEAN_SHARE < share < BAD_SHARE:
        return
    is_bad = share >= BAD_SHARE
    if not is_bad and recording.defect in WHOLE:
        return
    # Speech in another language that is routed by what is heard is put right, not let through.
    is_mended = is_bad and recording.defect == "wrong_audio" and lang == recording.spoken_lang
    yield Outcome(
        lang=recording.claimed_lang,
        defect=recording.defect if is_bad else "clean",
        strength=recording.strength,
        reasons=("routed by ear",) if is_mended and not reasons else tuple(str(reason) for reason in reasons),
        is_kept=not reasons and not is_mended,
    )


def _share(group: Sequence[Outcome]) -> str:
    if not group:
        return ""
    num_out = sum(not one.is_kept for one in group)
    return f"{num_out}/{len(group)} {num_out / len(group):.1%}"


def _reasons(group: Sequence[Outcome]) -> str:
    counts = defaultdict[str, int](int)
    for one in group:
        for reason in one.reasons[:1]:
            counts[reason] += 1
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1])[:5])
