"""The flow does only what is missing, retries, quarantines, and gives the same bytes after any kill."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.command.progress import Step
from jobs.running.executor import ATTEMPTS, ExecutorConfig, RayExecutor, SerialExecutor, make_executor
from jobs.running.flow import Flow
from pipeline import artifact, tables
from pipeline.artifact import Artifact
from pipeline.errors import DataError, QuarantineError, UserError
from pipeline.stage import PART, Context, Output, Stage, Tables, Unit, audio_ms, same_segments, split_by_part

IN = pa.schema([("segment_id", pa.string())])
OUT = pa.schema([("segment_id", pa.string()), ("size", pa.int64())])
SCATTERED = pa.schema([("partition", pa.int64()), ("segment_id", pa.string())])
CALLS: list[str] = []


@dataclass(frozen=True)
class Measure:
    """Adds the length of the id; fails while the file named `broken_by` says so."""

    broken_by: str = ""

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        ids: list[str] = inputs["source"]["segment_id"].to_pylist()
        CALLS.append(ids[0])
        if self.broken_by and Path(self.broken_by).exists() and Path(self.broken_by).read_text() == ids[0]:
            raise RuntimeError("worker fell over")
        return {"sizes": [pa.table({"segment_id": ids, "size": [len(item) for item in ids]}, schema=OUT)]}


def gather(inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
    return {"all": split_by_part(inputs["sizes"])}


def lose(inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
    return {"sizes": [pa.table({"segment_id": [], "size": []}, schema=OUT)]}


def measure_stage(run: Any, config: Mapping[str, Any] | None = None) -> Stage:
    output = Output(name="sizes", schema=OUT, version=1, config=config or {}, count_by=("size",))
    return Stage(name="measure", reads={"source": None}, outputs=(output,), run=run, conserve=same_segments)


def gather_stage() -> Stage:
    output = Output(name="all", schema=OUT, version=1)
    return Stage(
        name="gather",
        reads={"sizes": None},
        outputs=(output,),
        run=gather,
        conserve=same_segments,
        is_gather=True,
    )


def flow(root: Path) -> Flow:
    CALLS.clear()
    return Flow(root_uri=str(root), blobs_uri="", executor=SerialExecutor(), progress=lambda *_: None)


def source(target: Flow, ids: Sequence[Sequence[str]] = (("a", "bb"), ("ccc",))) -> dict[str, Artifact]:
    parts = [pa.table({"segment_id": list(part)}, schema=IN) for part in ids]
    return {"source": target.publish_source("source", parts)}


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    target = flow(tmp_path)
    stages = [measure_stage(Measure()), gather_stage()]
    first = target.run(stages, source(target))
    assert CALLS == ["a", "ccc"]
    assert target.run(stages, source(target)) == first
    assert CALLS == ["a", "ccc"]
    assert artifact.read_all(first["all"]).to_pydict() == {
        "segment_id": ["a", "bb", "ccc"],
        "size": [1, 2, 3],
    }
    assert artifact.num_parts(first["all"]) == 2


def test_a_rerun_does_only_the_missing_units_and_a_failed_one_is_named(tmp_path: Path) -> None:
    target, broken = flow(tmp_path), tmp_path / "broken"
    broken.write_text("ccc")
    stages = [measure_stage(Measure(str(broken)))]
    with pytest.raises(DataError, match=r"'measure' failed on 1 of 2 units \(unit 1: RuntimeError: worker fell over\)"):
        target.run(stages, source(target))
    assert ["a", *["ccc"] * ATTEMPTS] == CALLS
    broken.write_text("")
    target.run(stages, source(target))
    assert ["a", *["ccc"] * (ATTEMPTS + 1)] == CALLS


def test_rows_lost_by_a_stage_stop_the_run_at_once(tmp_path: Path) -> None:
    target = flow(tmp_path)
    with pytest.raises(DataError, match="does not have the segments of its input"):
        target.run([measure_stage(lose)], source(target))


def test_a_changed_setting_or_input_makes_a_new_artifact_and_explain_says_which(tmp_path: Path) -> None:
    target = flow(tmp_path)
    first = target.run([measure_stage(Measure(), {"limit": 1})], source(target))["sizes"]
    changed = measure_stage(Measure(), {"limit": 2})
    assert "stale: config.limit changed" in target.plan([changed], source(target))[0]
    other = source(target, [("x",)])
    assert "stale: inputs.source changed" in target.plan([measure_stage(Measure(), {"limit": 1})], other)[0]
    assert target.plan([measure_stage(Measure(), {"limit": 1})], source(target))[0].endswith("done")
    target.run([changed], source(target))
    assert target.plan([changed], source(target))[0].endswith("done")
    assert len(list((tmp_path / "sizes").iterdir())) == 2 and artifact.is_complete(first)


def test_an_interrupted_stage_is_told_from_a_stale_one(tmp_path: Path) -> None:
    target, broken = flow(tmp_path), tmp_path / "broken"
    broken.write_text("ccc")
    stages = [measure_stage(Measure(str(broken)))]
    with pytest.raises(DataError):
        target.run(stages, source(target))
    assert "interrupted: 1 units are published" in target.plan(stages, source(target))[0]


def test_a_share_of_bad_rows_above_the_limit_stops_the_run(tmp_path: Path) -> None:
    target = flow(tmp_path)
    strict = replace(measure_stage(Measure()), ok_count="size:1", max_error_rate=0.5)
    with pytest.raises(DataError, match="'measure' failed for 2 of 3 rows"):
        target.run([strict], source(target))
    target.run([replace(strict, max_error_rate=0.7)], source(target))


def mistaken(inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
    raise UserError("listing 'l' has no rows; expected some; mend it")


def test_what_the_user_can_mend_is_told_to_the_user(tmp_path: Path) -> None:
    target = flow(tmp_path)
    with pytest.raises(UserError, match="^listing 'l' has no rows; expected some; mend it$"):
        target.run([measure_stage(mistaken)], source(target))


def test_a_unit_is_taken_over_from_an_earlier_artifact_that_made_it_from_the_same_rows(tmp_path: Path) -> None:
    target = flow(tmp_path)
    stages = [measure_stage(Measure()), gather_stage()]
    target.run(stages, source(target))
    grown = target.run(stages, source(target, [("a", "bb"), ("dddd",), ("ccc",)]))
    assert CALLS == ["a", "ccc", "dddd"]
    assert artifact.read_all(grown["sizes"])["size"].to_pylist() == [1, 2, 4, 3]
    assert artifact.read_manifest(grown["sizes"])["counts"] == {"size:1": 1, "size:2": 1, "size:3": 1, "size:4": 1}
    target.run([measure_stage(Measure(), {"limit": 2})], source(target))
    assert CALLS == ["a", "ccc", "dddd", "a", "ccc"]


def test_a_unit_whose_earlier_part_is_gone_is_made_again(tmp_path: Path) -> None:
    target = flow(tmp_path)
    made = target.run([measure_stage(Measure())], source(target))
    (Path(made["sizes"].uri) / artifact.part_name(1)).unlink()
    again = target.run([measure_stage(Measure())], source(target, [("ccc",), ("a", "bb")]))
    assert CALLS == ["a", "ccc", "ccc"]
    assert artifact.read_all(again["sizes"])["size"].to_pylist() == [3, 1, 2]


def test_what_holds_the_same_rows_again_makes_nothing_new_after_it(tmp_path: Path) -> None:
    target = flow(tmp_path)
    stages = [measure_stage(Measure(), {"refresh": 1}), gather_stage()]
    first = target.run(stages, source(target))
    again = [measure_stage(Measure(), {"refresh": 2}), gather_stage()]
    assert target.run(again, source(target)) == first
    assert CALLS == ["a", "ccc", "a", "ccc"]
    assert [line.split()[-1] for line in target.plan(again, source(target))] == ["done", "done"]
    other = target.run(again, source(target, [("a",), ("bb", "ccc")]))
    assert other["all"] != first["all"]  # the same rows in other parts


def test_a_stage_with_files_makes_all_its_units_itself(tmp_path: Path) -> None:
    target = flow(tmp_path)
    stages = [replace(measure_stage(Measure()), has_files=True)]
    target.run(stages, source(target))
    target.run(stages, source(target, [("ccc",), ("x",)]))
    assert CALLS == ["a", "ccc", "ccc", "x"]


def scatter(inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
    ids: list[str] = sorted(inputs["source"]["segment_id"].to_pylist(), key=len)
    lengths = [len(item) for item in ids]
    return {"scattered": [pa.table({"partition": lengths, "segment_id": ids}, schema=SCATTERED)]}


def meet(inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
    rows = inputs["scattered"]
    ids: list[str] = rows["segment_id"].to_pylist()
    CALLS.append(",".join(ids))
    return {"met": [pa.table({"segment_id": ids, "size": rows[PART].to_pylist()}, schema=OUT)]}


def partition_stages(partitions: int) -> list[Stage]:
    scattered = Output(name="scattered", schema=SCATTERED, version=1, partitions=partitions)
    met = Output(name="met", schema=OUT, version=1)
    return [
        Stage(name="scatter", reads={"source": None}, outputs=(scattered,), run=scatter, conserve=same_rows),
        Stage(
            name="meet",
            reads={"scattered": None},
            outputs=(met,),
            run=meet,
            conserve=same_rows,
            partitions=partitions,
        ),
    ]


def same_rows(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    assert all(part.num_rows == next(iter(inputs.values())).num_rows for parts in outputs.values() for part in parts)


def test_rows_that_share_a_partition_meet_wherever_they_came_from(tmp_path: Path) -> None:
    target = flow(tmp_path)
    parts = [("a", "bbb"), ("cc", "dd"), ("eee", "f")]
    made = target.run(partition_stages(5), source(target, parts))
    assert CALLS == ["", "a,f", "cc,dd", "bbb,eee", ""]
    assert artifact.read_all(made["met"]).to_pydict() == {
        "segment_id": ["a", "f", "cc", "dd", "bbb", "eee"],
        "size": [0, 2, 1, 1, 0, 2],
    }
    target.run(partition_stages(5), source(target, [*parts, ("g",)]))
    assert CALLS[5:] == ["", "a,f,g", "cc,dd", "bbb,eee", ""]


@pytest.mark.parametrize(("ids", "complaint"), [(("a", "cc"), "not in 0 to 2"), (("cc", "a"), "not sorted")])
def test_a_row_outside_every_partition_is_our_mistake(ids: Sequence[str], complaint: str) -> None:
    table = pa.table({"partition": [len(item) for item in ids], "segment_id": list(ids)}, schema=SCATTERED)
    with pytest.raises(AssertionError, match=complaint):
        tables.to_parquet(table, 2)


def count_shared(inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
    ids: list[str] = inputs["source"]["segment_id"].to_pylist()
    CALLS.append(ids[0])
    return {"sizes": [pa.table({"segment_id": ids, "size": [inputs["small"].num_rows] * len(ids)}, schema=OUT)]}


def test_every_unit_reads_a_shared_input_whole_and_is_made_again_when_it_changes(tmp_path: Path) -> None:
    target = flow(tmp_path)
    stage = replace(measure_stage(count_shared), reads={"source": None, "small": None}, shared=("small",))
    for small in (("x",), ("x", "y")):
        given = {**source(target), "small": target.publish_source("small", [pa.table({"segment_id": list(small)})] * 3)}
        made = target.run([stage], given)
        assert artifact.read_all(made["sizes"])["size"].to_pylist() == [3 * len(small)] * 3
    target.run([stage], {**given, **source(target, [("new",), ("ccc",)])})
    assert CALLS == ["a", "ccc", "a", "ccc", "new"]


def test_an_unknown_executor_is_named() -> None:
    with pytest.raises(UserError, match="executor.kind 'rya' does not exist; .* did you mean 'ray'"):
        make_executor(ExecutorConfig(kind="rya", address=None, num_cpus=None, units_in_flight=1))


def test_a_cluster_that_cannot_be_joined_is_the_users_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise ConnectionError("Failed to connect to Ray cluster.\nlong story")

    def joining(address: str) -> RayExecutor:
        return RayExecutor(ExecutorConfig(kind="ray", address=address, num_cpus=None, units_in_flight=1))

    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(
        UserError, match=r"^ray cluster auto cannot be used: Failed to connect to Ray cluster\.; expected"
    ):
        joining("auto").describe()
    with pytest.raises(UserError, match="^ray cluster 127.0.0.1:1 does not answer: .*refused; expected host:port of"):
        joining("127.0.0.1:1").describe()


def test_units_are_given_the_gpus_asked_for_and_no_machine_waits_for_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, config = list[dict[str, Any]](), ExecutorConfig(kind="ray", address=None, num_cpus=1, units_in_flight=1)

    unit = Unit(stage=measure_stage(count_shared), index=0, inputs={}, outputs={}, keys={}, blobs_uri="")

    def refuse(**options: Any) -> None:
        asked.append(options)
        raise InterruptedError

    monkeypatch.setattr("ray.init", lambda **_: None)
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 2.0, "GPU": 1.0})
    monkeypatch.setattr("ray.remote", refuse)
    for num_gpus in (0, 0.25, 1):
        with pytest.raises(InterruptedError):
            list(RayExecutor(replace(config, num_gpus=num_gpus)).run(lambda _: 0, [unit]))
    assert [options["num_gpus"] for options in asked] == [0, 0.25, 1]
    with pytest.raises(UserError, match="executor.num_gpus 2 is more than this machine has; expected at most 1; lower"):
        list(RayExecutor(replace(config, num_gpus=2)).run(lambda _: 0, [unit]))


def test_progress_counts_audio_time_and_failures_of_this_run_only(tmp_path: Path) -> None:
    target, broken, steps = flow(tmp_path), tmp_path / "broken", list[Step]()
    target = replace(target, progress=steps.append)
    broken.write_text("ccc")
    with pytest.raises(QuarantineError):
        target.run([measure_stage(Measure(str(broken)))], source(target))
    assert [(step.num_before, step.num_done, step.num_failed) for step in steps] == [(0, 0, 0), (0, 1, 0), (0, 2, 1)]
    assert steps[-1].core_s > 0 and steps[-1].audio_ms == 0
    broken.write_text("")
    target.run([measure_stage(Measure(str(broken)))], source(target))
    assert [(step.num_before, step.num_done, step.num_left) for step in steps[3:]] == [(1, 0, 1), (1, 1, 0)]


@pytest.mark.parametrize(
    ("columns", "length_ms"),
    [
        ({"duration_ms": [1_000, None, 500]}, 1_500),
        ({"start_ms": [0, 1_000], "end_ms": [700, 2_000]}, 1_700),
        ({"duration_ms": pa.array([], pa.int64())}, 0),
        ({"segment_id": ["a"]}, 0),
    ],
)
def test_the_audio_of_a_unit_is_what_its_first_telling_table_says(columns: Mapping[str, Any], length_ms: int) -> None:
    assert audio_ms([pa.table({"segment_id": ["a"]}), pa.table(columns)]) == length_ms


def test_quarantine_is_logged_with_the_unit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target, broken = flow(tmp_path), tmp_path / "broken"
    broken.write_text("a")
    with caplog.at_level(logging.ERROR), pytest.raises(DataError):
        target.run([measure_stage(Measure(str(broken)))], source(target))
    assert "measure unit 0 is quarantined: RuntimeError: worker fell over" in caplog.text
