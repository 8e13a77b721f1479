"""A stage: a pure function from Arrow tables to Arrow tables, with what is needed to run it anywhere.

A map stage has one unit for each part of its first input; unit i reads part i of every input and writes part i of
every output. A gather stage has one unit, which reads whole inputs (with the part of each row in the column PART) and
writes as many parts as it likes. A partition stage stands between the two: what its inputs' makers wrote as one row
group for each of `partitions` is read by as many units, unit i the row group i of every part of every input (with
PART too); so rows that share a key meet, and no unit holds more than its share. An input in `shared` is small, and
every unit of a map stage reads it whole; one in `by_part` is too large to be gathered, and the unit asks the context
for its parts, one at a time. Retries, resume and progress are the executor's and the flow's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import artifact, tables
from pipeline.artifact import Artifact

PART = "_part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One table a stage writes; its fingerprint is made of name, version, config and the inputs' fingerprints.

    With `partitions`, its rows are sorted by the column PARTITION and written as one row group for each of them.
    """

    name: str
    schema: pa.Schema
    version: int
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    count_by: tuple[str, ...] = ()
    partitions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where a unit may put bytes that are no table, which outputs are asked of it, and what made its inputs.

    A gather stage is told how many parts each input has, empty ones included.
    """

    blobs_uri: str
    output_uris: Mapping[str, str]
    input_fingerprints: Mapping[str, str]
    num_parts: Mapping[str, int] = field(default_factory=dict[str, int])
    inputs: Mapping[str, Artifact] = field(default_factory=dict[str, Artifact])

    def read_part(self, name: str, number: int) -> pa.Table:
        """Read a part of an input that the stage has `by_part`."""
        return artifact.read_part(self.inputs[name], number)


Tables = Mapping[str, pa.Table]
Run = Callable[[Tables, Context], Mapping[str, Sequence[pa.Table]]]
Conserve = Callable[[Tables, Mapping[str, Sequence[pa.Table]]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A step of the flow. `reads` maps each input to the columns wanted (None: all); the first one sets the units.

    `run` must be picklable: a module-level function or a frozen dataclass with `__call__`. When the share of rows not
    counted under `ok_count` of the first output exceeds `max_error_rate`, the flow stops; with `refused_counts`, only
    rows that came in under `ok_count` are judged, without those that left under these. A stage that `has_files`
    beside its parts makes all of them itself; a unit of any other map stage is taken over from an earlier artifact
    that made it from the same rows.
    """

    name: str
    reads: Mapping[str, tuple[str, ...] | None]
    outputs: tuple[Output, ...]
    run: Run
    conserve: Conserve
    is_gather: bool = False
    partitions: int = 0
    shared: tuple[str, ...] = ()
    by_part: tuple[str, ...] = ()
    has_files: bool = False
    max_error_rate: float = 1.0
    ok_count: str = ""
    refused_counts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One piece of a stage's work, with everything a worker needs to do it.

    `keys` names for each output what the unit is made from: settings, version and the rows of the input parts.
    """

    stage: Stage
    index: int
    inputs: Mapping[str, Artifact]
    outputs: Mapping[str, Artifact]
    keys: Mapping[str, str]
    blobs_uri: str


def semantic_config(config: Any) -> dict[str, Any]:
    """Return the fields of a config dataclass that change its output; the rest carry `{'semantic': False}`."""
    return {
        item.name: _plain(getattr(config, item.name)) for item in fields(config) if item.metadata.get("semantic", True)
    }


def run_unit(unit: Unit) -> int:
    """Do one unit: read, run, check that nothing was lost, publish. Returns the audio it dealt with, in ms.

    Outputs that an earlier artifact made from the same rows are taken over, without running.
    """
    made = {name for name, key in unit.keys.items() if artifact.take_over_unit(unit.outputs[name], unit.index, key)}
    outputs = {name: place for name, place in unit.outputs.items() if name not in made}
    if not outputs:
        return 0
    unit = replace(unit, outputs=outputs)
    stage = unit.stage
    read = {name: columns for name, columns in stage.reads.items() if name not in stage.by_part}
    inputs = {name: _read_input(unit, name, columns) for name, columns in read.items()}
    results = stage.run(inputs, _context(unit))
    checked = {
        output.name: [tables.conform(table, output.schema) for table in results[output.name]]
        for output in stage.outputs
        if output.name in unit.outputs
    }
    stage.conserve(inputs, checked)
    for output in stage.outputs:
        if output.name in checked:
            _publish(unit, output, checked[output.name])
    return audio_ms([*map(pa.concat_tables, checked.values()), *inputs.values()])


def audio_ms(found: Sequence[pa.Table]) -> int:
    """Return the audio of the first table that tells of any, in ms; 0 where none does."""
    for part in found:
        names = part.column_names
        if "duration_ms" in names:
            return int(pc.sum(part["duration_ms"]).as_py() or 0)
        if "start_ms" in names and "end_ms" in names:
            return int(pc.sum(pc.subtract(part["end_ms"], part["start_ms"])).as_py() or 0)
    return 0


def same_segments(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    """Check that every output has the first input's segments, in its order."""
    expected = next(iter(inputs.values()))["segment_id"].combine_chunks()
    for name, parts in outputs.items():
        found = pa.concat_tables(parts)["segment_id"].combine_chunks()
        assert found.equals(expected), f"{name} does not have the segments of its input"


def split_by_part(table: pa.Table) -> list[pa.Table]:
    """Cut a gathered table back into its parts, in order, without the column PART."""
    numbers = cast(list[int], pc.unique(table[PART]).to_pylist())
    return [table.filter(pc.equal(table[PART], number)).drop_columns([PART]) for number in sorted(numbers)]


def _context(unit: Unit) -> Context:
    gathered = unit.inputs if unit.stage.is_gather else {}
    return Context(
        blobs_uri=unit.blobs_uri,
        output_uris={name: output.uri for name, output in unit.outputs.items()},
        input_fingerprints={name: source.fingerprint for name, source in unit.inputs.items()},
        num_parts={name: artifact.num_parts(source) for name, source in gathered.items()},
        inputs={name: unit.inputs[name] for name in unit.stage.by_part},
    )


def _read_input(unit: Unit, name: str, columns: tuple[str, ...] | None) -> pa.Table:
    source, stage = unit.inputs[name], unit.stage
    group = unit.index if stage.partitions else None
    if stage.is_gather or stage.partitions or name in stage.shared:
        return _read_every_part(source, columns, group)
    return artifact.read_part(source, unit.index, columns)


def _read_every_part(source: Artifact, columns: tuple[str, ...] | None, group: int | None) -> pa.Table:
    parts = [artifact.read_part(source, number, columns, group) for number in range(artifact.num_parts(source))]
    return pa.concat_tables(
        part.append_column(PART, pa.repeat(pa.scalar(number), part.num_rows)) for number, part in enumerate(parts)
    )


def _publish(unit: Unit, output: Output, parts: Sequence[pa.Table]) -> None:
    assert unit.stage.is_gather or len(parts) == 1, f"{output.name}: such a unit writes one part, not {len(parts)}"
    numbered = {unit.index + number: table for number, table in enumerate(parts)}
    artifact.publish_unit(unit.outputs[output.name], unit.index, numbered, output.count_by, output.partitions)
    if output.name in unit.keys:
        artifact.remember_unit(unit.outputs[output.name], unit.index, unit.keys[output.name])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
