"""A unit gets of its inputs what its stage says: whole, by partition, or a part at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline import artifact
from pipeline.artifact import Artifact
from pipeline.stage import Context, Output, Stage, Tables, Unit, run_unit

NUMBERS = pa.schema([("number", pa.int64())])


def add_up(inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
    assert inputs.keys() == {"small"}
    parts = (context.read_part("large", number) for number in range(context.num_parts["large"]))
    return {"sum": [pa.table({"number": [sum(part["number"].to_pylist())]}, schema=NUMBERS) for part in parts]}


def lose_nothing(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    assert len(outputs["sum"]) == 3


def published(root: Path, name: str, parts: Sequence[Sequence[int]]) -> Artifact:
    place = Artifact(root_uri=str(root), name=name, fingerprint="given")
    tables = {number: pa.table({"number": list(part)}, schema=NUMBERS) for number, part in enumerate(parts)}
    artifact.publish_unit(place, 0, tables, ())
    artifact.publish_manifest(place, {}, 1)
    return place


def test_a_gather_stage_asks_for_the_parts_of_what_is_too_large_to_be_gathered(tmp_path: Path) -> None:
    stage = Stage(
        name="add",
        reads={"large": None, "small": None},
        outputs=(Output(name="sum", schema=NUMBERS, version=1),),
        run=add_up,
        conserve=lose_nothing,
        is_gather=True,
        by_part=("large",),
    )
    inputs = {"large": published(tmp_path, "large", [[1, 2], [], [3]]), "small": published(tmp_path, "small", [[9]])}
    place = Artifact(root_uri=str(tmp_path), name="sum", fingerprint="made")
    run_unit(Unit(stage=stage, index=0, inputs=inputs, outputs={"sum": place}, keys={}, blobs_uri=""))
    artifact.publish_manifest(place, {}, 1)
    assert artifact.read_all(place)["number"].to_pylist() == [3, 0, 3]
