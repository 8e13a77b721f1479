"""Take something down, see what that hits, and remove its bytes: `make takedown HOST=example.org`."""

from __future__ import annotations

import datetime

from omegaconf import DictConfig

from jobs.command.cli import command
from jobs.command.progress import spell
from jobs.ingesting.purge import candidates_to_name, purge
from jobs.ledger import has_finished, latest_artifacts
from pipeline import store
from pipeline.errors import UserError, unknown_name
from pipeline.ledger.reach import Reach, reach
from pipeline.takedown import PATTERNS, Takedowns, parse, put_in_force, read_lists

OWN_LIST = "takedown.txt"
EFFECT = """now: training and evaluation that start read none of it; what runs already goes on with it
at the next ingest: nothing of it is asked for, and new shards are made without it
its bytes: {bytes}"""


@command("takedown")
def main(cfg: DictConfig) -> None:
    """Append the entry, put the lists in force, and say what they hit."""
    shown = read_lists(cfg.takedown) if cfg.kind is None else add(cfg, datetime.date.today())
    left = "kept in the blobs and in old shards; make takedown PURGE=1 removes them from the blobs"
    if cfg.purge:
        names = candidates_to_name(cfg.data_root, read_lists(cfg.takedown))
        append(cfg.takedown, *(f"candidate: {name}  # {datetime.date.today()} purged" for name in names))
        gone = purge(cfg.data_root, read_lists(cfg.takedown))
        left = "\n  ".join([f"{len(gone)} blobs removed; remove old shards once an ingest has made new ones", *gone])
    put_in_force(cfg.data_root, read_lists(cfg.takedown))
    print("\n".join(map(str, shown.entries)) or "nothing is taken down")
    if shown.entries:
        print(describe(cfg.data_root, shown))
        print(EFFECT.format(bytes=left))


def add(cfg: DictConfig, today: datetime.date) -> Takedowns:
    """Append one entry to the list of this command, unless it is there; UserError when it is none."""
    if cfg.kind not in PATTERNS:
        raise unknown_name("take-down of kind", str(cfg.kind), PATTERNS)
    text = str(cfg.value or "").strip()
    entry = parse(text if cfg.kind == "url" else f"{cfg.kind}: {text}", "the command line")
    if entry is None or entry.kind != cfg.kind:
        raise UserError(f"take-down {text!r} is no {cfg.kind}; expected {PATTERNS[cfg.kind].pattern}; mend the command")
    if entry not in read_lists(cfg.takedown).entries:
        append(cfg.takedown, f"{entry}  # {today} {' '.join(str(cfg.reason).split())}".rstrip())
    return Takedowns((entry,))


def append(folder_uri: str, *lines: str) -> None:
    """Add lines to the list of this command, all or none."""
    uri = store.join(folder_uri, OWN_LIST)
    before = store.read_bytes(uri).decode() if store.exists(uri) else ""
    if lines:
        store.publish(uri, "".join([before, *(f"{line}\n" for line in lines)]).encode())


def describe(data_root: str, shown: Takedowns) -> str:
    """Say what is hit in the present corpus."""
    if not has_finished(data_root):
        return f"{data_root} holds no corpus yet"
    made = latest_artifacts(data_root)
    hit: Reach = reach(shown, made["recording"], made["shard_index"])
    shards = ", ".join(hit.shard_ids[:10]) + (", ..." if len(hit.shard_ids) > 10 else "")
    counts = f"{len(hit.recording_ids):,} recordings, {hit.num_samples:,} samples ({spell(hit.kept_ms / 1000)})"
    return f"in {data_root} it hits {counts} in {len(hit.shard_ids):,} shards{': ' if shards else ''}{shards}"


if __name__ == "__main__":
    main()
