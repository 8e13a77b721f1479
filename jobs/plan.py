"""Say what a corpus of a size takes, in time, storage and money, and a training on it: `make plan`. Nothing is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from omegaconf import DictConfig, OmegaConf

from jobs.command.cli import command
from jobs.command.config import instantiate, typed
from jobs.command.progress import spell
from jobs.ingesting.planning import Corpus, Fleet, Hosts, Need, Storage, Training, gpu_hours, ingest_need
from jobs.running.rates import rates_of
from jobs.running.times import read_times
from pipeline.errors import UserError

S_PER_HOUR = 3600


@command("plan")
def main(cfg: DictConfig) -> None:
    """Print the plan and its assumptions."""
    if cfg.hours <= 0:
        raise UserError(f"hours {cfg.hours} is not above 0; expected the hours of audio wanted; give hours=680000")
    corpus, hosts, storage = typed(Corpus, cfg.corpus), typed(Hosts, cfg.hosts), typed(Storage, cfg.storage)
    fleet, training = typed(Fleet, cfg.ingest), read_training(cfg.training)
    rates = rates_of(read_times(cfg.data_root), cfg.min_measured_h)
    need = ingest_need(cfg.hours, rates.cpu_s_per_h, corpus, hosts, fleet, storage)
    print("\n".join([*ingest_lines(cfg.hours, need, fleet, storage), *training_lines(cfg.hours, training)]))
    assumed = {"corpus": corpus, "hosts": hosts, "ingest": fleet, "storage": storage}
    print("\n".join(["", "assumed", *(f"  {name:<10}{spelt(asdict(part))}" for name, part in assumed.items())]))
    print(f"  {'training':<10}{spelt({**asdict(training), 'machine': training.machine.name})}")
    print(f"  {'rates':<10}{rates.origin}, core-seconds for an hour of audio:")
    print(f"  {'':<10}{spelt({name: round(value, 1) for name, value in rates.cpu_s_per_h.items() if value >= 0.05})}")


def read_training(node: DictConfig) -> Training:
    """Build the settings of the training."""
    plain: Any = OmegaConf.to_container(node, resolve=True)
    return Training(**{**plain, "machine": instantiate(node.machine)})


def ingest_lines(hours: float, need: Need, fleet: Fleet, storage: Storage) -> list[str]:
    """Write what an ingest needs."""
    bounds = {"politeness": need.politeness_h, "network": need.network_h, "decoding": need.decoding_h}
    spelt_bounds = ", ".join(f"{name} {spell(value * S_PER_HOUR)}" for name, value in bounds.items())
    return [
        f"{hours:,.0f} h in shards from {need.fetched_h:,.0f} h fetched, of {need.found_h:,.0f} h listed as "
        f"{need.recordings:,.0f} recordings",
        f"  fetch      {spell(need.fetch_h * S_PER_HOUR)}, machines needed: {need.fetch_machines:,} ({spelt_bounds})",
        f"  the rest   {spell(need.behind_h * S_PER_HOUR)}, machines: {fleet.num:,} with "
        f"executor.units_in_flight={2 * fleet.num * fleet.cores}; {spell(need.alone_h * S_PER_HOUR)} of it on one core",
        f"  in all     {spell(need.ingest_h * S_PER_HOUR)}, {need.core_h:,.0f} core-hours, ${need.fleet_cost:,.0f}",
        f"  storage    shards {need.shard_tb:,.1f} TB, tables {need.table_tb:,.1f} TB, audio as fetched "
        f"{need.source_tb:,.1f} TB; ${need.storage_cost:,.0f} for {storage.months:g} months",
    ]


def training_lines(hours: float, training: Training) -> list[str]:
    """Write what a training on it needs."""
    found, machine = gpu_hours(hours, training), training.machine
    return [
        f"  training   {spell(found / machine.num_gpus * S_PER_HOUR)} on {machine.num_gpus} x {machine.name}, "
        f"{found:,.0f} GPU-hours, ${found * training.price_per_gpu_h:,.0f}"
    ]


def spelt(values: Mapping[str, Any]) -> str:
    """Write names and values on a line."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


if __name__ == "__main__":
    main()
