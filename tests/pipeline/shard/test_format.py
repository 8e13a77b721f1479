"""What is written of the format for others is true: its fields, and the code it gives them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline.shard
from pipeline.schema import SCHEMA_VERSION, SHARD_INDEX
from tests.model.tiny_shards import Window, windows, write_shards

TEXT = Path(pipeline.shard.__path__[0], "FORMAT.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
SAMPLE = Window(kind="transcribe", lang="sw", number=0)


def named(heading: str) -> set[str]:
    """Everything in code font in the first column of a section's table."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    firsts = (line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    return {name for first in firsts for name in re.findall(r"`([a-z0-9_]+)`", first)}


def test_every_field_and_column_is_described_and_no_other() -> None:
    from pipeline.shard.write import SAMPLE_FIELDS

    assert named("The JSON") == {*SAMPLE_FIELDS, "schema_version", "duration_ms", "cues"}
    assert named("The index") == set(SHARD_INDEX.names)
    assert f"`schema_version` is {SCHEMA_VERSION} in" in TEXT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("shards"), windows((("transcribe", "sw"),), each=4))


def said_by(code: str, folder: str) -> list[str]:
    program = f"folder = {folder!r}\n{code}"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_plain_webdataset_reads_every_sample_by_the_code_given(folder: str) -> None:
    assert said_by(SNIPPETS[0], folder) == ["0.3 moja", "0.4 mbili", "0.5 tatu", "0.6 nne"]


def test_one_sample_is_read_from_its_range_by_the_code_given(folder: str) -> None:
    [line] = said_by(SNIPPETS[0].splitlines()[0] + "\n" + SNIPPETS[1], folder)
    assert re.fullmatch(r"\{'transcribe-sw-2.flac': \d+, 'transcribe-sw-2.json': \d+\}", line)
