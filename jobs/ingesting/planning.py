"""What a corpus of a size takes: time by what is slowest (computing, networks, politeness), storage, money, training.

Arithmetic only: every number is given or measured, none is looked up. Politeness is a bound that no fleet buys off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from model.training.estimate import Machine

S_PER_HOUR = 3600
MB_PER_TB = 1_000_000
WINDOWS_PER_HOUR = 120
ONE_UNIT = (
    "audio_language",
    "peers",
    "link",
    "settle",
    "shard_plan",
)  # gather stages: one core each, whatever the fleet
FETCHING = ("discover", "candidate", "fetch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What is lost on the way, and what an hour weighs."""

    kept_share: float
    fetched_share: float
    hours_per_recording: float
    source_mb_per_h: float
    shard_mb_per_h: float
    table_mb_per_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """The sites a crawl asks, one request at a time each."""

    num: int
    largest_share: float
    pause_s: float
    requests: int
    mb_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Machines that ingest; `busy_share` of a core's time is work."""

    name: str
    num: int
    cores: int
    gbit_per_s: float
    price_per_h: float
    busy_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """An object store; it holds what was fetched too, for recrawls and other rules."""

    price_per_tb_month: float
    months: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training on all of it."""

    machine: Machine
    epochs: float
    tflops_per_window: float
    price_per_gpu_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What an ingest needs: hours of audio, recordings, hours of time by bound, machines, terabytes, money.

    Fetching takes as long as its slowest bound; the stages behind it take the whole fleet, and begin when it
    ends; `alone_h` of their time is on one core, where rows of the whole corpus meet.
    """

    found_h: float
    fetched_h: float
    recordings: float
    politeness_h: float
    network_h: float
    decoding_h: float
    behind_h: float
    alone_h: float
    core_h: float
    fetch_machines: int
    source_tb: float
    shard_tb: float
    table_tb: float
    fleet_cost: float
    storage_cost: float

    @property
    def fetch_h(self) -> float:
        """Time of fetching."""
        return max(self.politeness_h, self.network_h, self.decoding_h)

    @property
    def ingest_h(self) -> float:
        """Time of the ingest."""
        return self.fetch_h + self.behind_h


def ingest_need(
    hours: float, cpu_s_per_h: Mapping[str, float], corpus: Corpus, hosts: Hosts, fleet: Fleet, storage: Storage
) -> Need:
    """Work out an ingest that ends with so many hours in shards; `cpu_s_per_h` are core-seconds by stage."""
    fetched_h = hours / corpus.kept_share
    listed = fetched_h / corpus.fetched_share / corpus.hours_per_recording
    core_h = {name: fetched_h * value / S_PER_HOUR / fleet.busy_share for name, value in cpu_s_per_h.items()}
    fetching = sum(core_h.get(name, 0.0) for name in FETCHING)
    source_tb = fetched_h * corpus.source_mb_per_h / MB_PER_TB
    network_h = source_tb * MB_PER_TB * 8 / (fleet.num * fleet.gbit_per_s * 1000) / S_PER_HOUR
    decoding_h = fetching / (fleet.num * fleet.cores)
    politeness_h = listed * max(hosts.largest_share, 1 / hosts.num) * _asking_s(corpus, hosts) / S_PER_HOUR
    fetch_h = max(politeness_h, network_h, decoding_h)
    alone_h = sum(core_h.get(name, 0.0) for name in ONE_UNIT) * fleet.busy_share
    behind_h = (sum(core_h.values()) - fetching) / (fleet.num * fleet.cores) + alone_h
    # While sites are what is slow, fewer machines keep up with them.
    fetch_machines = math.ceil(fleet.num * max(network_h, decoding_h) / fetch_h)
    shard_tb = hours * corpus.shard_mb_per_h / MB_PER_TB
    table_tb = fetched_h * corpus.table_mb_per_h / MB_PER_TB
    return Need(
        found_h=fetched_h / corpus.fetched_share,
        fetched_h=fetched_h,
        recordings=listed,
        politeness_h=politeness_h,
        network_h=network_h,
        decoding_h=decoding_h,
        behind_h=behind_h,
        alone_h=alone_h,
        core_h=sum(core_h.values()),
        fetch_machines=fetch_machines,
        source_tb=source_tb,
        shard_tb=shard_tb,
        table_tb=table_tb,
        fleet_cost=(fetch_machines * fetch_h + fleet.num * (behind_h - alone_h) + alone_h) * fleet.price_per_h,
        storage_cost=storage.price_per_tb_month * storage.months * (source_tb + shard_tb + table_tb),
    )


def _asking_s(corpus: Corpus, hosts: Hosts) -> float:
    """Return how long a site is busy with one recording: pauses, and bytes where it still has them."""
    bytes_mb = corpus.source_mb_per_h * corpus.hours_per_recording * corpus.fetched_share
    return hosts.requests * hosts.pause_s + bytes_mb / hosts.mb_per_s


def gpu_hours(hours: float, training: Training) -> float:
    """Return the GPU-hours of a training on so many hours, in full windows of 30 s."""
    tflop = hours * WINDOWS_PER_HOUR * training.epochs * training.tflops_per_window
    return tflop / (training.machine.peak_tflops * training.machine.utilisation) / S_PER_HOUR
