"""Print the last ingest's summary again: `make report`; `report.against=NAME` writes its report against another one."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from jobs.command.cli import command
from jobs.ingesting.reporting import latest_report, publish_report
from jobs.ledger import latest_artifacts
from pipeline import store
from pipeline.errors import UserError


@command("ingest")
def main(cfg: DictConfig) -> None:
    """Print the summary of the last ingest, of a new report where it is to be compared with another one."""
    last = latest_report(cfg.data_root)
    if last is None:
        raise UserError(
            f"data_root {cfg.data_root!r} holds no report; expected a finished ingest; run make ingest first"
        )
    if cfg.report.against is None:
        print(store.read_bytes(last["summary_uri"]).decode())
        return
    cfg.source.name = last["source"]
    labels = Path(last["labels"]) if last["labels"] else None
    print(publish_report(cfg, latest_artifacts(cfg.data_root), labels))


if __name__ == "__main__":
    main()
