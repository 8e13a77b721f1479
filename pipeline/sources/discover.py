"""Discover: SEED to CANDIDATE; every place a source names is listed, and one that cannot be read stays as a row."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa

from pipeline import store, tables
from pipeline.errors import UserError
from pipeline.hosts import site_of
from pipeline.ids import key_of
from pipeline.page import Read, Reader
from pipeline.schema import CANDIDATE, SEED
from pipeline.sources.found import Found, Seed, Source, Unreadable, unreadable
from pipeline.sources.units import rows_by_unit
from pipeline.stage import Context, Output, Stage, Tables, semantic_config

Row = dict[str, Any]
SEEDS_PER_UNIT = 64
SITES_AT_ONCE = 16


def seed_parts(source: Source, read: Read) -> list[pa.Table]:
    """List a source's places as SEED parts, a site's places together; UserError when there are none."""
    seeds = sorted({seed.url: seed for seed in source.seeds(read)}.values(), key=lambda seed: seed.url)
    if not seeds:
        raise UserError(
            f"source {source.name!r} has nothing to list; expected at least one place; check its root or address"
        )
    rows = [_seed_row(source.name, seed) for seed in seeds]
    small = [number for number, seed in enumerate(seeds) if not seed.is_large]
    units = rows_by_unit([site_of(seeds[number].url) or seeds[number].url for number in small], SEEDS_PER_UNIT)
    alone = [[row] for row, seed in zip(rows, seeds, strict=True) if seed.is_large]
    together = [[rows[small[number]] for number in unit] for unit in units]
    return [tables.from_rows(unit, SEED) for unit in (*together, *alone)]


def discover_stage(source: Source, reader: Reader, refresh: str, retry: str = "") -> Stage:
    """Build the stage that lists every place; a new `refresh` or, for what failed, `retry` asks the web again."""
    identity = {"source": type(source).__name__, **semantic_config(source), "refresh": refresh, "retry": retry}
    return Stage(
        name="discover",
        reads={"seed": None},
        outputs=(Output(name="found", schema=CANDIDATE, version=2, config=identity, count_by=("status",)),),
        run=Discover(source, reader),
        conserve=_every_seed_has_rows,
    )


@dataclass(frozen=True, slots=True)
class Discover:
    """The discover stage's function."""

    source: Source
    reader: Reader

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """List a part of the places: several sites at once, each site's places one after the other."""
        urls = sorted(inputs["seed"]["url"].to_pylist(), key=lambda url: (site_of(url), url))
        sites = [list(group) for _, group in groupby(urls, key=site_of)]
        with self.reader.open(context.blobs_uri) as read, ThreadPoolExecutor(SITES_AT_ONCE) as pool:
            listed = pool.map(lambda site: [row for url in site for row in self._rows(url, read, context)], sites)
            rows = [row for site_rows in listed for row in site_rows]
        return {"found": [tables.from_rows(rows, CANDIDATE)]}

    def _rows(self, seed: str, read: Read, context: Context) -> Iterator[Row]:
        num_found = 0
        for found in _until_unreadable(self.source.find(seed, read), seed):
            num_found += 1
            yield _candidate_row(self.source.name, seed, found, context.blobs_uri)
        if not num_found:
            nothing = Found(page_url=seed, status="no_audio", status_detail="the place lists no audio")
            yield _candidate_row(self.source.name, seed, nothing, context.blobs_uri)


def candidate_id(source: str, found: Found, text_url: str | None) -> str:
    """Hash what makes a candidate: source, audio and caption, or the place where there is no audio."""
    parts = (source, found.audio_url, text_url or "") if found.audio_url else (source, found.page_url)
    return key_of(*parts)


def _until_unreadable(found: Iterable[Found], seed: str) -> Iterator[Found]:
    try:
        yield from found
    except Unreadable as error:
        yield unreadable(error, seed)


def _candidate_row(source: str, seed: str, found: Found, blobs_uri: str) -> Row:
    stated = asdict(found)
    inline = stated.pop("text_inline")
    if inline is not None:
        stated["text_url"] = store.blob_url(store.put_blob(blobs_uri, inline))
    return {
        "candidate_id": candidate_id(source, found, stated["text_url"]),
        "source": source,
        "seed_url": seed,
        **stated,
        "discovered_ms": time.time_ns() // 1_000_000,
    }


def _seed_row(source: str, seed: Seed) -> Row:
    return {"seed_id": key_of(source, seed.url), "source": source, "url": seed.url, "validator": seed.validator}


def _every_seed_has_rows(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    found = set(pa.concat_tables(outputs["found"])["seed_url"].to_pylist())
    assert found == set(inputs["seed"]["url"].to_pylist()), "a place of the source was lost"
