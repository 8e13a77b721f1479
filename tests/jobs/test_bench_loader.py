"""The loader's benchmarks measure what they say, on a corpus of a few tones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from jobs.bench import run_bench
from tests.model.tiny_shards import windows, write_shards

CONF = str(Path(__file__).parents[2] / "conf")


def lines(*overrides: str) -> list[str]:
    with initialize_config_dir(CONF, version_base=None):
        return list(run_bench(compose("bench", list(overrides))))


@pytest.fixture(scope="module")
def shards_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("shards"), windows(each=10))


@pytest.mark.slow
def test_samples_and_batches_are_read_beside_webdataset_and_memory_is_watched(shards_uri: str) -> None:
    head, *tables, memory = lines(
        "bench=loader", f"loader.shards={shards_uri}", "loader.num_rounds=2", "loader.memory_samples=320"
    )
    assert head == "40 samples of 0.8 s on average, 2 rounds, one core each"
    names = [line.split("|")[1].strip() for line in tables]
    assert names == ["reader", "---", "sotto", "webdataset", "reader", "---", "sotto batches", "webdataset batches"]
    assert all(re.fullmatch(r"\| [a-z ]+ \| [\d,]+ \| \d+\.\d\d \|", line) for line in tables if " sotto" in line)
    assert re.fullmatch(r"memory: [\d.]+ MiB more at sample 320 than at 32", memory)


def test_codecs_are_compared_in_bytes_time_and_error(shards_uri: str) -> None:
    head, _, _, flac, opus = lines(
        "bench=codecs", f"codecs.shards={shards_uri}", "codecs.num_windows=4", "codecs.complexities=[3]"
    )
    assert head == "4 windows, 0.0 min; Opus at 24 kbit/s, 16 kHz mono"
    assert re.fullmatch(r"\| flac \| [\d.]+ \| [\d,]+ \| [\d,]+ \| 0\.0000 \|", flac)
    assert re.fullmatch(r"\| opus, complexity 3 \| [\d.]+ \| [\d,]+ \| [\d,]+ \| 0\.\d{4} \|", opus)


def test_every_preset_stays_within_one_example_of_its_shares_for_ten_thousand_batches() -> None:
    _, _, *rows = lines("bench=mixture", "mixture.batch_sizes=[32]")
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    presets = sorted(path.stem for path in Path(CONF, "mixture").glob("*.yaml") if path.stem != "custom")
    assert [preset for preset, *_ in cells] == presets and {size for _, size, *_ in cells} == {"32"}
    assert all(float(of_batch) < 1 and float(running) < 1 for _, _, of_batch, running, _ in cells)
