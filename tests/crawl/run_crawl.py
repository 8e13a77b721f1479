"""Run discovery and fetching over given feeds, in this process or one that a test may kill.

python -m tests.crawl.run_crawl FOLDER OPTIONS.json FEED...
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from jobs.running.executor import SerialExecutor
from jobs.running.flow import Flow
from pipeline import artifact
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.read import PageReader
from pipeline.fetch.stage import FetchConfig, fetch_stage
from pipeline.schema import SEED, TAKEDOWN
from pipeline.sources.candidates import candidate_stage
from pipeline.sources.discover import discover_stage
from pipeline.sources.feed import FeedSource
from pipeline.tables import from_rows


def run_crawl(folder: Path, options: HttpOptions, feeds: Sequence[str], refresh: str = "") -> pa.Table:
    """Discover, cut into units and fetch; return the recordings."""
    executor = SerialExecutor()
    flow = Flow(
        root_uri=str(folder / "artifacts"),
        blobs_uri=str(folder / "blobs"),
        executor=executor,
        progress=lambda *_: None,
    )
    budgets = executor.budgets()
    source = FeedSource(root=feeds[0])
    stages = [
        discover_stage(source, PageReader(options, refresh, budgets=budgets), refresh),
        candidate_stage(source),
        fetch_stage(FetchConfig(http=options, refresh=refresh), budgets),
    ]
    seeds = [{"seed_id": url, "source": source.name, "url": url, "validator": None} for url in feeds]
    inputs = {
        "seed": flow.publish_source("seed", [from_rows(seeds, SEED)]),
        "takedown": flow.publish_source("takedown", [from_rows([], TAKEDOWN)]),
    }
    return artifact.read_all(flow.run(stages, inputs)["recording"])
