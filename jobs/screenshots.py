"""Take pictures of the last ingest's report and of its run in MLflow: `make screenshots`. Needs Chromium."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig
from PIL import Image

from jobs.command.cli import command
from jobs.ingesting.reporting import HTML, latest_report
from jobs.ingesting.shooting import Shot, shoot, tracking_server
from jobs.tracking.runs import last_run
from pipeline import store
from pipeline.errors import UserError

COLORS = 128  # of a palette: pages have few, and a file is a third as large
REPORT_SHOTS = {
    "report-top": Shot(width=1200, height=1130),
    "report-listen": Shot(width=1200, height=760, at="#listen"),
    "report-signals": Shot(width=1200, height=760, at="#signals", is_dark=True),
    "report-phone": Shot(width=390, height=844, is_dark=True),
}
# The path of an artifact is true on one machine only.
RUN_SHOT = Shot(width=1360, height=860, awaited="iframe", pressed="button[aria-label=Close]", masked="text=/^Path:/")


@command("screenshots")
def main(cfg: DictConfig) -> None:
    """Write a small PNG of each view."""
    last = latest_report(cfg.data_root)
    if last is None or not store.is_local(last["report_uri"]):
        raise UserError(
            f"data_root {cfg.data_root!r} holds no report on this disk; expected a finished ingest; run make ingest"
        )
    address = store.local_path(last["report_uri"]).absolute().as_uri()
    pages = shoot(cfg.chromium, {name: (address, shot) for name, shot in REPORT_SHOTS.items()})
    write(Path(cfg.out), pages)
    experiment_id, run_id = last_run(cfg.tracking.uri, cfg.tracking.experiment)
    with tracking_server(cfg.tracking.uri) as server:
        where = f"{server}/#/experiments/{experiment_id}/runs/{run_id}/artifacts/{HTML}"
        write(Path(cfg.out), shoot(cfg.chromium, {"mlflow-report": (where, RUN_SHOT)}))


def write(folder: Path, pages: Mapping[str, bytes]) -> None:
    """Write pictures with few colours, and say where and how large."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in pages.items():
        path = folder / f"{name}.png"
        Image.open(io.BytesIO(data)).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
        print(f"{path}  {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
