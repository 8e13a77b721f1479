"""One small embedded corpus for all tests of this folder: every kind once, about three minutes of audio."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.sources.embedded.build import build

SEED = 3
SCALE = 0.01


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("embedded") / "corpus"
    build(root, SEED, SCALE)
    return root
