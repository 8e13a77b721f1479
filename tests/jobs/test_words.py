"""The words of a crawl outlive the command that made them, and a typo or a trial run makes none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from jobs.ingesting.words import settle_words
from pipeline.errors import UserError

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)


def settled(root: Path, **given: object) -> tuple[str, str]:
    plain = {"data_root": str(root), "refresh": "", "retry": "", "again": None, "explain": False, "dry_run": False}
    cfg = OmegaConf.create(plain | given)
    assert isinstance(cfg, DictConfig)
    settle_words(cfg, NOON)
    return cfg.refresh, cfg.retry


def test_a_new_word_stays_until_the_next(tmp_path: Path) -> None:
    assert settled(tmp_path) == ("", "")
    _, retry = settled(tmp_path, again="failed")
    assert retry.startswith("2026-11-03T12:00:00")
    assert settled(tmp_path) == ("", retry)
    refresh, _ = settled(tmp_path, again="all")
    assert settled(tmp_path) == (refresh, retry) and refresh
    assert settled(tmp_path, refresh="monday") == ("monday", retry)
    assert settled(tmp_path) == ("monday", retry)


def test_a_trial_run_uses_a_new_word_and_keeps_none(tmp_path: Path) -> None:
    for trial in ("explain", "dry_run"):
        assert settled(tmp_path, again="all", **{trial: True})[0]
    assert settled(tmp_path) == ("", "") and json.loads((tmp_path / "words.json").read_text())["refresh"] == ""


def test_another_value_of_again_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="again 'fialed' does not exist; .* did you mean 'failed'"):
        settled(tmp_path, again="fialed")
