"""Killed at any write, the flow run again ends in the bytes of a run that was never killed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from jobs.ingesting.wiring import build_stages
from jobs.running.executor import SerialExecutor
from jobs.running.flow import Flow
from pipeline import store
from pipeline.artifact import Artifact
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.read import PageReader
from pipeline.sources.discover import seed_parts
from pipeline.sources.embedded.build import build
from pipeline.sources.embedded.labels import load_labels
from pipeline.sources.folder import FolderSource
from pipeline.stage import Stage
from pipeline.takedown import Takedowns

CONF = str(Path(__file__).parents[2] / "conf")


class Killed(BaseException):
    """What a SIGKILL is to the code it hits: nothing catches it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good recordings of the embedded corpus, as a user's folder; one of them twice."""
    root = tmp_path_factory.mktemp("corpus")
    build(root / "all", 1, 0.01)
    audio = root / "audio"
    audio.mkdir()
    good = [label for label in load_labels(root / "all") if label.defect == "clean"][:3]
    for number, label in enumerate([*good, good[0]]):
        source = root / "all" / "web" / label.audio_url
        stem = f"{label.declared_lang}-{number}"
        shutil.copy(source, audio / f"{stem}{source.suffix}")
        caption = next((root / "all" / "web" / "text").glob(f"{source.stem}.*"))
        shutil.copy(caption, audio / f"{stem}{caption.suffix}")
    return audio


@pytest.fixture(scope="module")
def stages(folder: Path) -> list[Stage]:
    with initialize_config_dir(CONF, version_base=None):
        return build_stages(compose("ingest", ["source=folder", f"source.root={folder}"]), source_of(folder))


def source_of(folder: Path) -> FolderSource:
    return FolderSource(root=str(folder), candidates_per_unit=2)


def run(stages: list[Stage], folder: Path, root: Path) -> Artifact:
    flow = Flow(
        root_uri=str(root / "artifacts"),
        blobs_uri=str(root / "blobs"),
        executor=SerialExecutor(),
        progress=lambda *_: None,
    )
    with PageReader(HttpOptions()).open(flow.blobs_uri) as read:
        inputs = {"seed": flow.publish_source("seed", seed_parts(source_of(folder), read))}
    inputs["takedown"] = flow.publish_source("takedown", [Takedowns().to_table()])
    return flow.run(stages, inputs)["shard_index"]


def contents(artifact: Artifact) -> dict[str, bytes]:
    root = Path(artifact.uri)
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def killer(number: int, leaves_half: bool) -> Callable[[str, bytes], None]:
    """Make a publish that is killed at its n-th call, before or in the middle of the write."""
    calls = 0
    publish = store.publish

    def dying(uri: str, data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            if leaves_half:
                Path(uri).parent.mkdir(parents=True, exist_ok=True)
                Path(f"{uri}.tmp-killed").write_bytes(data[: len(data) // 2])
            raise Killed
        publish(uri, data)

    return dying


def test_a_kill_at_any_write_changes_no_byte(
    stages: list[Stage], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = contents(run(stages, folder, tmp_path / "whole"))
    assert sum(name.endswith(".tar") for name in whole) >= 2
    kills, survivor = 0, None
    # The same data root all along: a run gets further than the last one by none to four writes, then is killed.
    while survivor is None:
        with monkeypatch.context() as patch:
            patch.setattr(store, "publish", killer(number=kills % 5 + 1, leaves_half=kills % 2 == 1))
            try:
                survivor = run(stages, folder, tmp_path / "killed")
            except Killed:
                kills += 1
    found = {name: data for name, data in contents(survivor).items() if ".tmp-" not in name}
    assert found == whole
    assert kills > 20
