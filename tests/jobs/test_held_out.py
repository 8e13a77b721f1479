"""One list of evaluation sets: what jobs/evaluate.py scores, jobs/ingest.py keeps out of training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from omegaconf import DictConfig, OmegaConf

from jobs.evaluating.checkpoints import list_items, read_settings
from jobs.ingesting.evals import publish_evals
from jobs.ingesting.wiring import build_stages
from jobs.running.executor import SerialExecutor
from jobs.running.flow import Flow
from model.formats import openai
from pipeline import artifact
from pipeline.artifact import Artifact
from pipeline.dedup import tables as t
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.evals import eval_stage
from pipeline.errors import UserError
from pipeline.sources.folder import FolderSource
from tests.contract.test_configs import CONF, composed
from tests.model.test_eval_sets import write
from tests.model.test_export import loaded
from tests.model.tiny_shards import windows, write_shards
from tests.pipeline.dedup.corpus import SETTINGS

TRANS = "1-2-0000 HE BEGAN A CONFUSED COMPLAINT AGAINST THE WIZARD\n1-2-0001 AND ENDED\n"


@pytest.fixture
def sets(tmp_path: Path) -> Sequence[str]:
    """Return the settings of four sets; two of them give nothing that could be trained on."""
    chapter = "libri/test-clean/1/2"
    files = {f"{chapter}/1-2.trans.txt": TRANS, f"{chapter}/1-2-0000.flac": "400", f"{chapter}/1-2-0001.flac": "300"}
    write(tmp_path, files | {"mine/talk.sw.txt": "habari ya leo", "mine/talk.wav": "500"})
    return (
        "+eval_set@eval_sets.libri=librispeech",
        f"eval_sets.libri.root={tmp_path}/libri",
        "+eval_set@eval_sets.mine=folder",
        f"eval_sets.mine.root={tmp_path}/mine",
        "+eval_set@eval_sets.noise=sounds",
        "+eval_set@eval_sets.own=shards",
    )


def published(root: Path, settings: Sequence[str]) -> tuple[Artifact, Artifact]:
    """Publish the items of an ingest's sets, and take their prints."""
    flow = Flow(root_uri=str(root), blobs_uri="", executor=SerialExecutor(), progress=lambda *_: None)
    made = flow.run([eval_stage(DedupConfig(**SETTINGS))], publish_evals(ingest(settings), flow))
    return made["eval_item"], made["eval_print"]


def ingest(settings: Sequence[str]) -> DictConfig:
    return OmegaConf.create(composed("ingest", "source=folder", "source.root=x", *settings)[0])


def named(table: pa.Table) -> list[tuple[str, str]]:
    return [(row["eval_set"], row["item"]) for row in table.to_pylist()]


def test_what_is_scored_is_kept_out(tmp_path: Path, sets: Sequence[str]) -> None:
    items, prints = published(tmp_path / "data", sets)
    table = artifact.read_all(items)
    openai.write(loaded().bundle(), tmp_path / "model.pt")
    scored = ("~eval_set@eval_sets.shards", "~eval_set@eval_sets.sounds", *sets[:4])
    config = OmegaConf.create(composed("evaluate", f"checkpoint={tmp_path}/model.pt", *scored)[0])
    asked = list_items(read_settings(config)[0])
    assert named(table) == [(name, item.item_id) for name, found in asked.items() for item in found]
    assert table["text"].to_pylist() == [item.text for found in asked.values() for item in found]
    lengths = [row["size"] for row in artifact.read_all(prints).to_pylist()]
    assert named(artifact.read_all(prints)) == named(table) and lengths == [8, 2, 3]


def test_only_what_a_set_holds_changes_what_is_made_of_it(tmp_path: Path, sets: Sequence[str]) -> None:
    items, prints = published(tmp_path / "data", sets)
    shutil.copytree(tmp_path / "mine", tmp_path / "moved")
    moved = [setting.replace(f"{tmp_path}/mine", f"{tmp_path}/moved") for setting in sets]
    items_moved, prints_moved = published(tmp_path / "data", moved)
    assert items_moved != items and prints_moved == prints  # with the rows of the first, hence all after it too
    (tmp_path / "moved/talk.sw.txt").write_text("moja mbili tatu nne tano sita saba nane")
    assert published(tmp_path / "data", moved)[1] != prints


def test_samples_of_another_corpus_are_kept_out_by_words_and_sound(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "artifacts", windows(each=2))
    settings = ("+eval_set@eval_sets.old=shards", f"eval_sets.old.shards={shards}")
    items, prints = published(tmp_path / "data", settings)
    table = artifact.read_all(prints)
    assert named(table) == named(artifact.read_all(items)) and table.num_rows == 8
    assert None not in table["pcm_sha256"].to_pylist()


def test_a_set_that_is_not_there_stops_an_ingest_before_any_work(tmp_path: Path, sets: Sequence[str]) -> None:
    with pytest.raises(UserError, match=r"folder .*/none/test-clean holds no \.trans\.txt; .*; mend root or split"):
        published(tmp_path / "data", (*sets[:1], f"eval_sets.libri.root={tmp_path}/none"))
    assert not (tmp_path / "data").exists()


def test_prints_are_taken_first_and_looked_for_only_where_sets_are_listed(sets: Sequence[str]) -> None:
    source = FolderSource(root="x")
    with_sets = [stage.name for stage in build_stages(ingest(sets), source)]
    without = [stage.name for stage in build_stages(ingest(()), source)]
    assert with_sets[0] == "eval_print" and [name for name in with_sets if name not in without] == [
        "eval_print",
        "contamination",
    ]
    flow = Flow(root_uri="none", blobs_uri="", executor=SerialExecutor(), progress=lambda *_: None)
    assert publish_evals(ingest(()), flow) == {}


def test_a_set_written_into_the_list_serves_both_jobs(tmp_path: Path) -> None:
    shutil.copytree(CONF, tmp_path / "conf")
    listed = tmp_path / "conf/eval_sets.yaml"
    listed.write_text(listed.read_text().replace("  # ", "  ").replace("eval_sets: {}", "eval_sets:"))
    for job in ("ingest", "evaluate"):
        config, _ = composed(job, conf=tmp_path / "conf")
        assert config["eval_sets"]["libri"] == {
            "_target_": "model.eval_sets.public.LibriSpeech",
            "root": "/data/LibriSpeech",
            "split": "test-clean",
        }


def test_a_pointer_names_the_shards_to_keep_out(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "artifacts", windows(each=2))
    (tmp_path / "shards.json").write_text(json.dumps({"shards_uri": shards}))
    settings = ("+eval_set@eval_sets.old=shards", f"eval_sets.old.shards={tmp_path}/shards.json")
    table = artifact.read_all(published(tmp_path / "data", settings)[0])
    assert table.schema.names == t.EVAL_ITEM.names and set(table["eval_set"].to_pylist()) == {"validation"}
