"""The forecast of a fetch: what is stored is not asked again, what robots.txt asks is known, people can read it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from jobs.command.progress import spell
from jobs.ingesting.dry_run import Stored, lines, units_at_once
from pipeline import store
from pipeline.fetch import answers
from pipeline.fetch.answers import Answer
from pipeline.ledger.forecast import Forecast, Load


def settings(root: Path, **given: object) -> DictConfig:
    executor = {"kind": "ray", "address": None, "num_cpus": 4, "units_in_flight": 64}
    plain = {"data_root": str(root), "refresh": "", "retry": "", "fetch": {"http": {"delay_s": 2.0}}}
    cfg = OmegaConf.create(plain | {"executor": executor} | given)
    assert isinstance(cfg, DictConfig)
    return cfg


def test_an_answer_is_final_until_its_word_changes(tmp_path: Path) -> None:
    blobs = str(tmp_path / "blobs")
    answers.save(blobs, Answer(url="http://a.test/ok", status="ok"))
    answers.save(blobs, Answer(url="http://a.test/failed", status="timeout", is_retryable=True))
    now, retried, refreshed = (
        Stored(settings(tmp_path, **words)) for words in ({}, {"retry": "two"}, {"refresh": "two"})
    )
    asked = ["http://a.test/ok", "http://a.test/failed", "http://a.test/new"]
    assert [now.is_stored(url) for url in asked] == [True, True, False]
    assert [retried.is_stored(url) for url in asked] == [True, False, False]
    assert [refreshed.is_stored(url) for url in asked] == [False, False, False]


def test_a_stored_robots_txt_tells_the_pause_and_is_not_read_again(tmp_path: Path) -> None:
    blobs = str(tmp_path / "blobs")
    digest = store.put_blob(blobs, b"User-agent: *\nCrawl-delay: 30\n")
    notice = {"url": "https://x.a.org/robots.txt", "status": "ok", "sha256": digest}
    store.publish(store.join(blobs, "notices", "n.json"), json.dumps(notice).encode())
    known = Stored(settings(tmp_path))
    assert (known.pause_s("a.org"), known.pause_s("b.test")) == (30.0, 2.0)
    assert (known.num_notices("https://x.a.org/1"), known.num_notices("https://b.test/1")) == (2, 3)


def test_the_table_names_the_slowest_sites_first_and_hides_what_could_steer_a_terminal() -> None:
    sites = {f"s{number}.test": Load(num_requests=1, pause_s=1.0) for number in range(24)}
    sites["slow\x1b.test"] = Load(num_requests=100, declared_ms=7_200_000, pause_s=36.0)
    text = lines(Forecast(Counter({"to fetch": 124, "opted out": 3}), sites, 5, 3600.0), 8)
    assert text[0] == "nothing was fetched; 127 candidates: 124 to fetch, 3 opted out"
    assert text[3].split() == ["slow?.test", "100", "2.0", "36.0", "s", "1", "h", "0", "min"]
    assert "  ... and 5 more sites" in text and "  5 of what would be fetched do not say how long they are" in text
    assert (
        text[-1] == "politeness alone takes at least 1 h 0 min with 8 units at once; slow?.test alone takes 1 h 0 min"
    )
    assert len(text) < 30


@pytest.mark.parametrize(("time_s", "text"), [(0, "0 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (200_000, "2 d 7 h")])
def test_a_time_is_written_with_its_two_largest_units(time_s: float, text: str) -> None:
    assert spell(time_s) == text


def test_units_at_once_are_the_executors(tmp_path: Path) -> None:
    executors = (
        {"kind": "serial", "address": None, "num_cpus": 4, "units_in_flight": 64},
        {"kind": "ray", "address": None, "num_cpus": 4, "units_in_flight": 64},
        {"kind": "ray", "address": "ray://head:1", "num_cpus": None, "units_in_flight": 64},
    )
    assert [units_at_once(settings(tmp_path, executor=executor)) for executor in executors] == [1, 4, 64]
