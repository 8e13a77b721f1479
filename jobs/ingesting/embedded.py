"""Make and serve the embedded corpus while an ingest runs, when it is the source."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig

from pipeline.sources.embedded import build, serve

HOST = "embedded.sotto.test"


def embedded_root(cfg: DictConfig) -> Path | None:
    """Return the folder of the embedded corpus; None when another source is ingested."""
    if cfg.embedded is None:
        return None
    plan = cfg.embedded
    name = f"seed-{plan.seed}-scale-{plan.scale}-planted-{plan.planted}-{'-'.join(plan.languages)}"
    return Path(cfg.data_root) / "embedded" / name


@contextmanager
def served_source(cfg: DictConfig) -> Generator[None]:
    """Build and serve the embedded corpus, and pin its host name to the server; nothing for other sources."""
    root = embedded_root(cfg)
    if root is None:
        yield
        return
    build.build(root, **cfg.embedded)
    with serve.serve(root / build.WEB_FOLDER) as port:
        cfg.fetch.http.pins = {HOST: f"127.0.0.1:{port}"}
        yield
