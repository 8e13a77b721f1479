"""Print the summary of the last ingest again: `make report`."""

from __future__ import annotations

import json

import hydra
from omegaconf import DictConfig

from jobs.cli import clean_errors
from jobs.reporting import LATEST_REPORT
from pipeline import store
from pipeline.errors import UserError


@hydra.main(version_base=None, config_path="../conf", config_name="ingest")
@clean_errors
def main(cfg: DictConfig) -> None:
    """Print the summary of the last ingest."""
    pointer = store.join(cfg.data_root, "latest", LATEST_REPORT)
    if not store.exists(pointer):
        raise UserError(
            f"data_root {cfg.data_root!r} holds no report; expected a finished ingest; run make ingest first"
        )
    print(store.read_bytes(json.loads(store.read_bytes(pointer))["summary_uri"]).decode())


if __name__ == "__main__":
    main()
