"""Read the last ingest's tables for exploring, and say what is found in lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.ingesting.reporting import LATEST_REPORT
from pipeline import artifact, store
from pipeline.artifact import Artifact
from pipeline.audio import SAMPLES_PER_MS, to_flac
from pipeline.decide.explore import Change, Windows, curve, hours_by_lang, nearest, sides
from pipeline.decide.rules import Check, Rule
from pipeline.decoder import decode
from pipeline.errors import UserError
from pipeline.ranking import Ranking

NO_LANGUAGE = "und"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The artifacts of the last ingest under a data root."""

    data_root: str
    fingerprints: Mapping[str, str]

    @classmethod
    def of(cls, data_root: str) -> LastRun:
        """Find the last ingest; UserError where there is none."""
        pointer = store.join(data_root, "latest", LATEST_REPORT)
        if not store.exists(pointer):
            raise UserError(f"data_root {data_root!r} holds no report; expected a finished ingest; run make ingest")
        return cls(data_root=data_root, fingerprints=json.loads(store.read_bytes(pointer))["artifacts"])

    def table(self, name: str) -> pa.Table:
        """Read all of an artifact."""
        root = store.join(self.data_root, "artifacts")
        return artifact.read_all(Artifact(root_uri=root, name=name, fingerprint=self.fingerprints[name]))

    def errors(self, num_windows: int) -> pa.ChunkedArray:
        """Read each window's error rate by a model; nulls where the run asked none."""
        if "agreement" in self.fingerprints:
            return self.table("agreement")["error_rate"]
        return pa.chunked_array([pa.nulls(num_windows, pa.float64())])

    def windows(self) -> Windows:
        """Read what exploring needs of every window."""
        decisions, segments = self.table("decision"), self.table("segment")
        return Windows(
            duration_ms=np.asarray(decisions["duration_ms"].to_numpy()),
            lang=np.asarray(pc.fill_null(decisions["lang"], NO_LANGUAGE).to_numpy(), dtype=object),
            reasons=decisions["reasons"],
            has_text=np.asarray(pc.is_valid(segments["text"]).to_numpy(), dtype=bool),
        )


def rules_of(checks: Mapping[str, Check]) -> dict[str, tuple[str, Rule]]:
    """List all rules by their reasons, each with its family."""
    return {rule.reason: (check.family, rule) for check in checks.values() for rule in check.rules}


def curve_lines(run: LastRun, checks: Mapping[str, Check]) -> Iterator[str]:
    """Say for each rule the hours kept for each threshold; `<` marks the threshold in force."""
    windows = run.windows()
    families = {family: run.table(family) for family in {check.family for check in checks.values()}}
    for reason, (family, rule) in rules_of(checks).items():
        for side in sides(rule):
            points = curve(rule, side, families[family][rule.column], windows)
            langs = list(points[-1].by_lang) if points else []
            yield f"\n{reason}: keep {side} {rule.column}" + ("" if points else "  (no values)")
            yield f"{'':>12}{'hours':>9}" + "".join(f"{lang:>9}" for lang in langs) if points else ""
            for point in points:
                cells = "".join(f"{point.by_lang.get(lang, 0.0):>9.3f}" for lang in langs)
                mark = " <" if point.threshold == float(rule.keep[side]) else ""
                yield f"{point.threshold:>12.4g}{point.hours:>9.3f}{cells}{mark}"


def change_lines(run: LastRun, change: Change, windows: Windows) -> Iterator[str]:
    """Say how many hours a change adds and removes, by language."""
    for title, rows in (("adds", change.added), ("removes", change.removed)):
        hours = hours_by_lang(rows, windows)
        cells = ", ".join(f"{lang} {value:.3f}" for lang, value in hours.items())
        yield f"{title} {int(rows.sum())} windows, {sum(hours.values()):.3f} h{': ' + cells if cells else ''}"


def write_examples(run: LastRun, rows: Sequence[int], values: pa.ChunkedArray, folder: Path) -> Iterator[str]:
    """Cut windows into FLAC files to listen to, and say what each holds."""
    segments = run.table("segment").take(pa.array(rows, pa.int64())).to_pylist()
    recordings = run.table("recording").select(["recording_id", "sha256"]).to_pylist()
    sha256 = {row["recording_id"]: row["sha256"] for row in recordings}
    folder.mkdir(parents=True, exist_ok=True)
    for row, segment in zip(rows, segments, strict=True):
        blob = store.blob_uri(store.join(run.data_root, "blobs"), sha256[segment["recording_id"]])
        samples = decode(store.read_bytes(blob)).samples
        own = samples[segment["start_ms"] * SAMPLES_PER_MS : segment["end_ms"] * SAMPLES_PER_MS]
        path = folder / f"{segment['segment_id'].replace(':', '-')}.flac"
        path.write_bytes(to_flac(own))
        yield f"  {values[row].as_py():.4g}  {path}  {segment['text']}"


def language_lines(run: LastRun) -> Iterator[str]:
    """Say for each claimed language in which languages its recordings are heard, the most disputed first."""
    heard: dict[str, Counter[str]] = {}
    seen: set[str] = set()
    for segment_id, row in _recordings(run):
        if segment_id not in seen and row["audio_lang"]:
            heard.setdefault(row["claimed_lang"], Counter())[row["audio_lang"]] += 1
            seen.add(segment_id)
    if not heard:
        yield "no recording was heard: set audio_language=crossfit, or give it more than eight recordings a language"
    for claimed, counts in sorted(heard.items(), key=lambda pair: pair[1][pair[0]] / pair[1].total()):
        agreement = counts[claimed] / counts.total()
        cells = ", ".join(f"{lang} {count}" for lang, count in counts.most_common())
        stop = "  stopped: most are heard in other languages" if agreement < 0.5 else ""
        yield f"{claimed:<5}{agreement:>7.1%} of {counts.total()} heard so: {cells}{stop}"


def source_lines(run: LastRun, number: int) -> Iterator[str]:
    """Rank sources, hosts and feeds by the hours that are wrong in them."""
    decisions, ledger = run.table("decision"), run.table("ledger")
    place = pc.index_in(decisions["recording_id"], value_set=ledger["recording_id"].combine_chunks())
    windows = pa.table(
        {
            "duration_ms": decisions["duration_ms"],
            "reason": decisions["reason"],
            **{name: ledger[name].take(place) for name in ("source", "host")},
            "feed": run.table("candidate")["seed_url"].take(place),
            "error": run.errors(decisions.num_rows),
        }
    )
    ranking = Ranking()
    ranking.add(windows.filter(pc.is_valid(run.table("segment")["text"])))
    yield f"{'wrong h':>9}{'hours':>9}{'error':>8}  {'level':<8}name (most rejected for)"
    for found in ranking.places(number):
        reason = f" ({found.reason})" if found.reason else ""
        yield f"{found.weight:>9.3f}{found.hours:>9.3f}{found.error:>8.1%}  {found.level:<8}{found.name}{reason}"


def examples_of(change: Change, rule: Rule, values: pa.ChunkedArray, number: int) -> list[int]:
    """Choose the windows nearest to the threshold among those a change moves."""
    return nearest(change.added | change.removed, rule, values, number)


def _recordings(run: LastRun) -> Iterator[tuple[str, Mapping[str, Any]]]:
    ids = run.table("segment")["recording_id"].to_pylist()
    yield from zip(ids, run.table("audio_language").to_pylist(), strict=True)
