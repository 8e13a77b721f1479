"""The flow: plan each stage's units, skip what is done, execute, check, publish the manifest last."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from jobs.command.progress import Step
from jobs.running.executor import Done, Executor
from pipeline import artifact, tables
from pipeline.artifact import Artifact
from pipeline.errors import DataError, QuarantineError, UserError
from pipeline.stage import Output, Stage, Unit, run_unit

log = logging.getLogger(__name__)
Progress = Callable[[Step], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Where artifacts and blobs lie, and who runs the units."""

    root_uri: str
    blobs_uri: str
    executor: Executor
    progress: Progress

    def publish_source(self, name: str, parts: Sequence[pa.Table]) -> Artifact:
        """Publish tables that come from outside the flow, once for each content."""
        fingerprint = artifact.fingerprint({"parts": [tables.digest(part) for part in parts]})
        place = Artifact(root_uri=self.root_uri, name=name, fingerprint=fingerprint)
        if not artifact.is_complete(place):
            artifact.publish_unit(place, 0, dict(enumerate(parts)), ())
            artifact.publish_manifest(place, {"content": fingerprint}, 1)
        return place

    def run(self, stages: Iterable[Stage], inputs: Mapping[str, Artifact]) -> dict[str, Artifact]:
        """Run stages in order; returns every artifact by name. DataError names the units that failed."""
        known = dict(inputs)
        for stage in stages:
            known |= self._run_stage(stage, known)
        return known

    def plan(self, stages: Iterable[Stage], inputs: Mapping[str, Artifact]) -> list[str]:
        """Say for each output whether it is done, partly done or stale, and why; nothing is run."""
        known, lines = dict(inputs), list[str]()
        for stage in stages:
            places = _places(stage, known, self.root_uri)
            lines += [self._explain(output, places[output.name], known, stage) for output in stage.outputs]
            known |= {n: artifact.with_same_rows(p) if artifact.is_complete(p) else p for n, p in places.items()}
        return lines

    def _run_stage(self, stage: Stage, known: Mapping[str, Artifact]) -> dict[str, Artifact]:
        places = _places(stage, known, self.root_uri)
        stale = {name: place for name, place in places.items() if not artifact.is_complete(place)}
        if stale:
            num_units = _num_units(stage, known)
            self._execute(stage, self._units(stage, known, stale, num_units), num_units)
            for output in stage.outputs:
                if output.name in stale:
                    identity = _identity(output, stage, known)
                    manifest = artifact.publish_manifest(places[output.name], identity, num_units)
                    log.info("%s: %d rows %s", output.name, manifest["rows"], manifest["counts"])
        _check_error_rate(stage, {**known, **places})
        return {name: artifact.with_same_rows(place) for name, place in places.items()}

    def _units(
        self, stage: Stage, known: Mapping[str, Artifact], stale: Mapping[str, Artifact], num_units: int
    ) -> list[Unit]:
        done = {name: artifact.published_units(place) for name, place in stale.items()}
        inputs = {name: known[name] for name in stage.reads}
        is_map = not (stage.is_gather or stage.partitions)
        keys = _unit_keys(stage, inputs) if is_map and not stage.has_files else {}
        units: list[Unit] = []
        for index in range(num_units):
            missing = {name: place for name, place in stale.items() if index not in done[name]}
            unit_keys = {name: keys[name][index] for name in missing if name in keys}
            if missing:
                units.append(
                    Unit(
                        stage=stage,
                        index=index,
                        inputs=inputs,
                        outputs=missing,
                        keys=unit_keys,
                        blobs_uri=self.blobs_uri,
                    )
                )
        return units

    def _execute(self, stage: Stage, units: list[Unit], num_units: int) -> None:
        start_s, failed = time.monotonic(), list[Done]()
        step = Step(stage=stage.name, num_units=num_units, num_before=num_units - len(units))
        self.progress(step)
        for done in self.executor.run(run_unit, units):
            if done.error is not None:
                failed.append(done)
                log.error("%s unit %d is quarantined: %s", stage.name, done.unit.index, done.error)
            step = _after(step, done, time.monotonic() - start_s)
            self.progress(step)
        failed.sort(key=lambda done: done.unit.index)
        for done in failed:
            if done.is_mistake:
                raise UserError(done.error)
        if failed:
            listed = "; ".join(f"unit {done.unit.index}: {done.error}" for done in failed[:5])
            raise QuarantineError(
                f"stage {stage.name!r} failed on {len(failed)} of {num_units} units ({listed}); "
                "run again to try only these"
            )

    def _explain(self, output: Output, place: Artifact, known: Mapping[str, Artifact], stage: Stage) -> str:
        head = f"{output.name:14} {place.fingerprint}"
        if artifact.is_complete(place):
            return f"{head}  done"
        published = len(artifact.published_units(place))
        if published:
            return f"{head}  interrupted: {published} units are published"
        identity = _identity(output, stage, known)
        earlier = artifact.previous_identities(self.root_uri, output.name)
        return f"{head}  stale: {_nearest_difference(identity, earlier)}"


def _after(step: Step, done: Done, wall_s: float) -> Step:
    return replace(
        step,
        num_done=step.num_done + 1,
        num_failed=step.num_failed + (done.error is not None),
        audio_ms=step.audio_ms + done.audio_ms,
        core_s=step.core_s + done.time_s,
        cpu_s=step.cpu_s + done.cpu_s,
        wall_s=wall_s,
    )


def _places(stage: Stage, known: Mapping[str, Artifact], root_uri: str) -> dict[str, Artifact]:
    return {
        output.name: Artifact(
            root_uri=root_uri,
            name=output.name,
            fingerprint=artifact.fingerprint(_identity(output, stage, known)),
        )
        for output in stage.outputs
    }


def _num_units(stage: Stage, known: Mapping[str, Artifact]) -> int:
    if stage.is_gather:
        return 1
    return stage.partitions or artifact.num_parts(known[next(iter(stage.reads))])


def _unit_keys(stage: Stage, inputs: Mapping[str, Artifact]) -> dict[str, list[str]]:
    """Return for each output what every unit makes it from: name, version, config and the rows of the input parts."""
    contents = {name: artifact.part_contents(place) for name, place in inputs.items()}
    shared = {name: contents.pop(name) for name in stage.shared}
    units = [dict(zip(contents, parts, strict=True)) | shared for parts in zip(*contents.values(), strict=True)]
    return {
        output.name: [artifact.fingerprint(_description(output) | {"inputs": unit}) for unit in units]
        for output in stage.outputs
    }


def _identity(output: Output, stage: Stage, known: Mapping[str, Artifact]) -> dict[str, Any]:
    return _description(output) | {"inputs": {name: known[name].fingerprint for name in stage.reads}}


def _description(output: Output) -> dict[str, Any]:
    partitions = {"partitions": output.partitions} if output.partitions else {}
    return {"name": output.name, "version": output.version, "config": output.config, **partitions}


def _nearest_difference(identity: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> str:
    if not earlier:
        return "never made"
    flat = _flatten(identity)
    differences = [sorted(set(flat.items()) ^ set(_flatten(other).items())) for other in earlier]
    nearest = min(differences, key=len)
    names = sorted({name for name, _ in nearest})
    return f"{', '.join(names[:4])} changed since the nearest earlier one" if names else "its manifest is missing"


def _flatten(value: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {prefix: repr(value)}
    flat: dict[str, str] = {}
    for key, item in value.items():
        flat |= _flatten(item, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _check_error_rate(stage: Stage, places: Mapping[str, Artifact]) -> None:
    if not stage.ok_count:
        return
    manifest = artifact.read_manifest(places[stage.outputs[0].name])
    counts, num_rows = manifest["counts"], manifest["rows"]
    if stage.refused_counts:
        given = artifact.read_manifest(places[next(iter(stage.reads))])["counts"]
        num_refused = sum(counts.get(name, 0) - given.get(name, 0) for name in stage.refused_counts)
        num_rows = given.get(stage.ok_count, 0) - num_refused
    num_bad = num_rows - counts.get(stage.ok_count, 0)
    if num_bad > stage.max_error_rate * num_rows:
        raise DataError(
            f"stage {stage.name!r} failed for {num_bad} of {num_rows} rows ({counts}); "
            f"expected at most {stage.max_error_rate:.0%}; mend the source or raise {stage.name}.max_error_rate"
        )
