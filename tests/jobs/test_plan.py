"""A plan is arithmetic on what was measured or assumed, and its slowest bound is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hydra import compose, initialize_config_dir

from jobs.command.config import CONF
from jobs.ingesting.planning import Corpus, Fleet, Hosts, Storage, gpu_hours, ingest_need
from jobs.plan import main, read_training
from jobs.running.rates import DOCUMENTED, rates_of
from jobs.running.times import StageTime

CORPUS = Corpus(
    kept_share=0.5,
    fetched_share=0.5,
    hours_per_recording=1.0,
    source_mb_per_h=36.0,
    shard_mb_per_h=60.0,
    table_mb_per_h=4.0,
)
HOSTS = Hosts(num=100, largest_share=0.1, pause_s=2.0, requests=2, mb_per_s=18.0)
FLEET = Fleet(name="m", num=2, cores=10, gbit_per_s=0.8, price_per_h=1.0, busy_share=0.5)
STORAGE = Storage(price_per_tb_month=20.0, months=2.0)


def test_hours_recordings_and_bytes_follow_the_shares() -> None:
    need = ingest_need(1000, {"fetch": 9.0, "annotate": 18.0}, CORPUS, HOSTS, FLEET, STORAGE)
    assert (need.fetched_h, need.found_h, need.recordings) == (2000, 4000, 4000)
    assert (need.source_tb, need.shard_tb, need.table_tb) == (0.072, 0.06, 0.008)
    assert need.storage_cost == pytest.approx(20 * 2 * 0.14)


def test_times_are_those_of_the_slowest_bound() -> None:
    need = ingest_need(1000, {"fetch": 9.0, "annotate": 18.0}, CORPUS, HOSTS, FLEET, STORAGE)
    # 400 recordings of the largest site, 2 x 2 s of pauses and 18 MB at 18 MB/s each
    assert need.politeness_h == pytest.approx(400 * (4 + 1) / 3600)
    assert need.network_h == pytest.approx(72_000 * 8 / 1600 / 3600)
    assert need.decoding_h == pytest.approx(2000 * 9 / 3600 / 0.5 / 20)
    assert need.behind_h == pytest.approx(2000 * 18 / 3600 / 0.5 / 20)
    assert need.fetch_h == need.politeness_h and need.ingest_h == need.politeness_h + need.behind_h
    assert need.core_h == pytest.approx(30.0)
    assert (need.fetch_machines, need.fleet_cost) == (2, pytest.approx(2 * need.ingest_h))


def test_one_site_holds_up_any_fleet_and_few_machines_are_paid_meanwhile() -> None:
    one = replace(HOSTS, num=1, largest_share=1.0)
    need = ingest_need(1000, {"fetch": 9.0}, CORPUS, one, replace(FLEET, num=100), STORAGE)
    assert need.ingest_h == pytest.approx(4000 * 5 / 3600)
    assert need.fetch_machines < 10 and need.fleet_cost == pytest.approx(need.fetch_machines * need.fetch_h)


def test_rates_are_believed_when_enough_was_measured() -> None:
    times = {
        "fetch": StageTime(num_units=4, audio_ms=36_000_000, cpu_s=50.0),
        "dedup": StageTime(num_units=1, cpu_s=20.0),
    }
    assert rates_of(times, 5).cpu_s_per_h == {"fetch": 5.0, "dedup": 2.0}
    few = rates_of(times, 50)
    assert few.cpu_s_per_h == DOCUMENTED and few.origin == "documented (here 10.0 h were measured; 50 h are wanted)"
    assert rates_of({}, 5).cpu_s_per_h == DOCUMENTED


def test_the_worked_example_and_its_assumptions_are_told(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    with initialize_config_dir(CONF, version_base=None):
        cfg = compose("plan", [f"data_root={tmp_path_factory.mktemp('none')}"])
    main(cfg)
    text = capsys.readouterr().out
    assert text.startswith(
        "680,000 h in shards from 1,360,000 h fetched, of 1,942,857 h listed as 3,885,714 recordings\n"
    )
    assert (
        "politeness 6 d 8 h" in text and "GPU-hours" in text and "largest_share 0.01" in text and "documented" in text
    )
    training = read_training(cfg.training)
    # 655,360 steps of 1,024 windows: what jobs/train.py +experiment=large dry_run=true answers
    assert gpu_hours(680_000, training) == pytest.approx(4_087, rel=0.01)


def test_a_corpus_of_no_hours_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with initialize_config_dir(CONF, version_base=None):
        cfg = compose("plan", ["hours=0"])
    with pytest.raises(SystemExit):
        main(cfg)
    assert "error: hours 0 is not above 0; expected the hours of audio wanted" in capsys.readouterr().err
