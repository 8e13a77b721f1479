"""The books of a report: everything that is counted or drawn by lot, added up part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ranking import Ranking
from pipeline.report import samples
from pipeline.report.counts import UNKNOWN, Counts
from pipeline.report.evidence import Contaminated, Pair, contaminated_of, pair_of
from pipeline.report.inputs import Part, Run
from pipeline.report.samples import Draw, Failure, Lots, Window
from pipeline.report.truth import Truths

REJECTED = "rejected"
TAKEN_DOWN = "taken_down"
MACHINE_LIMIT = 0.5
SAMPLE_WINDOWS = 200_000  # the distributions are drawn of about so many windows: 100 MB in 60 columns
KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Measured columns of the windows drawn for the distributions, and which of them are kept."""

    kept: pa.Table
    families: Mapping[str, pa.Table]


class Books:
    """What is known of the parts added so far."""

    def __init__(self, run: Run, sample_windows: int = SAMPLE_WINDOWS) -> None:
        """Start with empty books for a run."""
        self.num_candidates = 0
        self.statuses, self.outcomes = Counts("status"), Counts("outcome")
        self.captions, self.duplicates = Counts("caption_status"), Counts("method")
        self.contaminated, self.robots = Counts("eval_set"), Counts("robots_verdict")
        self.audio, self.windows = Counts("source"), Counts("verdict")
        self.kinds, self.tasks = Counts("lang", "verdict"), Counts("lang", "task")
        self.by_source, self.by_split = Counts("source", "verdict"), Counts("split", "verdict")
        self.first_by_language, self.first_by_source = Counts("reason", "lang"), Counts("reason", "source")
        self.any_reason, self.alone = Counts("reason"), Counts("reason")
        self.origins, self.origin_signs = Counts("lang", "origin"), Counts("evidence", max_names=200)
        self.heard, self.written = Counts("claimed_lang", "audio_lang"), Counts("declared_lang", "text_lang")
        self.licenses, self.refusals = Counts("license", "state", max_names=500), Counts("state", "reason")
        self.states = Counts("state")
        self.ranking = Ranking()
        self.truths = Truths(run.labels) if run.labels is not None else None
        self.drawn, self.failures = Draw(samples.WINDOWS_PER_GROUP), Draw(samples.FAILURES_PER_STATUS)
        self.pairs, self.in_evals = Draw(samples.PAIRS_PER_METHOD), Draw(samples.PAIRS_PER_METHOD)
        self._run = run
        share = sample_windows / max(1, run.num_windows)
        self._lot_limit = np.uint64(min(share, 1.0) * (samples.MAX_LOT - 1) // 2**12 * 2**12) if share < 1 else None
        self._sampled: list[Sampled] = []

    def add(self, part: Part) -> None:
        """Enter a part; DataError when its tables do not belong together."""
        windows = part.windows()
        windows = windows.append_column("verdict", pc.fill_null(windows["kind"], REJECTED))
        place = pc.index_in(windows["recording_id"], value_set=part.recording["recording_id"].combine_chunks())
        drawn_lots = samples.lots(windows["segment_id"].to_pylist())
        self._add_candidates(part)
        self._add_recordings(part, windows)
        self._add_windows(windows)
        self._add_places(part, windows, place)
        self._draw(part, windows, place, drawn_lots)
        self._sample(part, windows, drawn_lots)
        if self.truths:
            self.truths.add(part.recording, windows)

    def sampled(self) -> tuple[pa.ChunkedArray, dict[str, pa.Table]]:
        """Return which of the windows drawn for the distributions are kept, and what was measured of them."""
        kept = pa.concat_tables([item.kept for item in self._sampled]) if self._sampled else pa.table({KEPT: []})
        names = self._sampled[0].families if self._sampled else ()
        return kept[KEPT], {name: pa.concat_tables([item.families[name] for item in self._sampled]) for name in names}

    def _add_candidates(self, part: Part) -> None:
        self.num_candidates += part.candidate.num_rows
        self.statuses.add(part.recording)
        self.robots.add(part.recording.filter(pc.is_valid(part.recording["robots_verdict"])))
        self.states.add(part.ledger)
        kept = part.ledger.drop_columns(["duration_ms"]).rename_columns({"kept_ms": "duration_ms"})
        self.licenses.add(kept)
        self.refusals.add(part.ledger.filter(pc.is_in(part.ledger["state"], pa.array(["opted_out", TAKEN_DOWN]))))
        failed = part.recording.filter(pc.not_equal(part.recording["status"], "ok"))
        failed_lots = samples.lots(failed["recording_id"].to_pylist())
        for status, row in samples.lowest(failed["status"].to_pylist(), failed_lots, samples.FAILURES_PER_STATUS):
            [failure] = samples.rows_at(failed, [row])
            self.failures.add(status, int(failed_lots[row]), failure["recording_id"], samples.failure_of(failure))

    def _add_recordings(self, part: Part, windows: pa.Table) -> None:
        decodable = part.recording.filter(pc.equal(part.recording["status"], "ok"))
        self.audio.add(decodable)
        kept = pc.unique(windows.filter(windows[KEPT])["recording_id"])
        has_kept = pc.is_in(decodable["recording_id"], value_set=kept)
        self.outcomes.add(decodable.append_column("outcome", pc.if_else(has_kept, KEPT, REJECTED)))
        self.captions.add(_said(windows, "caption_status", decodable, "left outer"))
        copies = windows.filter(pc.invert(windows["is_representative"]))
        self.duplicates.add(_said(copies, "method", decodable))
        self.contaminated.add(_said(windows.filter(pc.is_valid(windows["eval_set"])), "eval_set", decodable))
        self._add_texts(part, windows, decodable)

    def _add_texts(self, part: Part, windows: pa.Table, decodable: pa.Table) -> None:
        """Count recordings by who wrote their text, in which language, and in which language they are heard."""
        with_text = pc.is_valid(windows["text"])
        base = windows.select(["recording_id", "lang", "declared_lang", "text_lang"])
        if "machine_text" in part.families:
            table = part.families["machine_text"]
            said = base.append_column("origin", _origin(table)).append_column("evidence", table["origin_evidence"])
            about = _said(said.filter(with_text), "origin", decodable)
            langs = _said(said.filter(with_text), "lang", decodable).select(["recording_id", "lang"])
            self.origins.add(about.join(langs, "recording_id", join_type="inner"))
            self.origin_signs.add(_said(said.filter(pc.is_valid(said["evidence"])), "evidence", decodable))
        self.written.add(_said_both(base.filter(with_text), ("declared_lang", "text_lang"), decodable))
        if "audio_language" in part.families:
            table = part.families["audio_language"].append_column("recording_id", windows["recording_id"])
            self.heard.add(
                _said_both(table.filter(pc.is_valid(table["audio_lang"])), ("claimed_lang", "audio_lang"), decodable)
            )

    def _add_windows(self, windows: pa.Table) -> None:
        self.windows.add(windows)
        self.kinds.add(windows)
        self.by_source.add(windows)
        kept, rejected = windows.filter(windows[KEPT]), windows.filter(pc.invert(windows[KEPT]))
        self.by_split.add(kept)
        self.first_by_language.add(rejected)
        self.first_by_source.add(rejected)
        self.tasks.add(_each(kept, "tasks", "task", ["duration_ms", "lang"]))
        self.any_reason.add(_each(rejected, "reasons", "reason", ["duration_ms"]))
        only = pc.equal(pc.list_value_length(rejected["reasons"]), 1)
        self.alone.add(rejected.filter(only))

    def _add_places(self, part: Part, windows: pa.Table, place: pa.ChunkedArray) -> None:
        no_error = pa.nulls(windows.num_rows, pa.float64())
        columns = {
            "duration_ms": windows["duration_ms"],
            "reason": windows["reason"],
            "source": windows["source"],
            "host": part.ledger["host"].take(place),
            "feed": part.candidate["seed_url"].take(place),
            "error": part.families["agreement"]["error_rate"] if "agreement" in part.families else no_error,
        }
        self.ranking.add(pa.table(columns).filter(pc.is_valid(windows["text"])))

    def _draw(self, part: Part, windows: pa.Table, place: pa.ChunkedArray, drawn_lots: Lots) -> None:
        groups = pc.if_else(
            windows[KEPT], pc.binary_join_element_wise(KEPT, pc.fill_null(windows["kind"], ""), ": "), windows["reason"]
        ).to_pylist()
        for group, row in samples.lowest(groups, drawn_lots, samples.WINDOWS_PER_GROUP):
            if group != TAKEN_DOWN and self.drawn.wants(group, int(drawn_lots[row])):
                window = self._window(part, windows, place, group, row)
                self.drawn.add(group, int(drawn_lots[row]), window.recording_id, window)
        self._draw_evidence(part, windows, place, drawn_lots)

    def _window(self, part: Part, windows: pa.Table, place: pa.ChunkedArray, group: str, row: int) -> Window:
        [found], [recording] = samples.rows_at(windows, [row]), samples.rows_at(part.recording, [place[row].as_py()])
        measured = samples.measured_at(part, row, self._run.thresholds, found["reasons"] or ())
        return samples.window_of(found, group, recording, measured)

    def _draw_evidence(self, part: Part, windows: pa.Table, place: pa.ChunkedArray, drawn_lots: Lots) -> None:
        first = pc.and_(pc.is_null(windows["prev_segment_id"]), pc.not_equal(windows["reason"], TAKEN_DOWN))
        drawings: tuple[tuple[Draw, str, pa.ChunkedArray], ...] = (
            (self.pairs, "method", pc.and_(first, pc.invert(windows["is_representative"]))),
            (self.in_evals, "eval_set", pc.and_(first, pc.is_valid(windows["eval_set"]))),
        )
        for draw, column, mask in drawings:
            numbers = np.flatnonzero(np.asarray(mask.to_numpy(), dtype=bool))
            groups = windows[column].take(pa.array(numbers)).to_pylist()
            for group, row in samples.lowest(groups, drawn_lots[numbers], samples.PAIRS_PER_METHOD):
                number = int(numbers[row])
                [found] = samples.rows_at(windows, [number])
                [recording] = samples.rows_at(part.recording, [place[number].as_py()])
                drawn: Pair | Contaminated = (
                    pair_of(found, recording) if draw is self.pairs else contaminated_of(found, recording)
                )
                draw.add(group, int(drawn_lots[number]), recording["recording_id"], drawn)

    def _sample(self, part: Part, windows: pa.Table, drawn_lots: Lots) -> None:
        mask = pa.array(
            np.ones(len(drawn_lots), dtype=bool) if self._lot_limit is None else drawn_lots < self._lot_limit
        )
        families = {name: _measured(table).filter(mask) for name, table in part.families.items()}
        self._sampled.append(Sampled(kept=windows.select([KEPT]).filter(mask), families=families))


def groups_of(draw: Draw) -> dict[str, tuple[Window, ...]]:
    """Return the windows drawn of each group."""
    return {group: tuple(rows) for group, rows in draw.groups().items()}


def failures_of(draw: Draw) -> tuple[Failure, ...]:
    """Return the failures drawn of each status."""
    return tuple(failure for rows in draw.groups().values() for failure in rows)


def _said(windows: pa.Table, column: str, decodable: pa.Table, join_type: str = "inner") -> pa.Table:
    """Return the recordings that some windows are of, each once, with what a column says of them first."""
    return _said_both(windows, (column,), decodable, join_type)


def _said_both(windows: pa.Table, columns: Sequence[str], decodable: pa.Table, join_type: str = "inner") -> pa.Table:
    said = windows.group_by("recording_id").aggregate([(column, "min") for column in columns])
    said = said.rename_columns({f"{column}_min": column for column in columns})
    durations = decodable.select(["recording_id", "duration_ms"])
    return durations.join(said, "recording_id", join_type=join_type)


def _origin(machine_text: pa.Table) -> pa.ChunkedArray:
    """Say who wrote a text: as the file or source says, else by its style."""
    said = pc.binary_join_element_wise("said to be ", machine_text["origin"], "")
    probable = pc.greater_equal(machine_text["machine_probability"], MACHINE_LIMIT)
    styled = pc.if_else(probable, "machine by its style", "human by its style")
    return pc.fill_null(pc.coalesce(said, styled), UNKNOWN)


def _each(table: pa.Table, column: str, name: str, kept: Sequence[str]) -> pa.Table:
    """Return a row for each item of a column of lists."""
    parents = pc.list_parent_indices(table[column].combine_chunks())
    return table.select(list(kept)).take(parents).append_column(name, pc.list_flatten(table[column]))


def _measured(table: pa.Table) -> pa.Table:
    kinds = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating)
    return table.select([field.name for field in table.schema if any(is_kind(field.type) for is_kind in kinds)])
