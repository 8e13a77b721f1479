"""The fetcher without its limits against a plain aiohttp loop: throughput per core, and memory over many files.

The plain loop saves the same bytes to files named by their sha256 and checks nothing: no robots.txt, no guard, no caps,
no record of what was fetched. Both keep one connection per host; the hosts run in a process of their own.
"""

from __future__ import annotations

import asyncio
import hashlib
import resource
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from jobs.benchmarks.host import hosts
from pipeline.fetch.crawl import Ask, open_crawl
from pipeline.fetch.http import HttpOptions

FILES_PER_UNIT = 256
WARM_FILES = 1024  # fetched before memory growth is counted: imports, pools and buffers are then there


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlBench:
    """What to fetch: `files_per_host` goes with `file_bytes`, size by size."""

    num_hosts: int
    num_rounds: int
    file_bytes: Sequence[int]
    files_per_host: Sequence[int]
    memory_files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What one round took."""

    num_files: int
    num_bytes: int
    wall_s: float
    core_s: float

    @property
    def files_per_core_s(self) -> float:
        """Files for each second a core was busy."""
        return self.num_files / self.core_s


Places = Mapping[str, str]  # host name to 'address:port'
Save = Callable[[Places, int, Path], Coroutine[Any, Any, None]]


def bench_crawl(settings: CrawlBench) -> Iterator[str]:
    """Yield the lines of the report as they come."""
    yield f"{'size':>10} {'loop':8} {'files/s':>9} {'MB/s':>9} {'files/core-s':>13} {'MB/core-s':>10}"
    for file_bytes, num_files in zip(settings.file_bytes, settings.files_per_host, strict=True):
        with hosts(_addresses(settings.num_hosts), file_bytes) as found:
            yield from _compare(_names(found), file_bytes, num_files, settings.num_rounds)
    if settings.memory_files:
        with hosts(_addresses(settings.num_hosts), min(settings.file_bytes)) as found:
            growth = asyncio.run(_memory_growth(_names(found), settings.memory_files))
        yield f"memory: {growth / 2**20:.1f} MiB more at the peak of {settings.memory_files} files than of {WARM_FILES}"


def _compare(places: Places, file_bytes: int, num_files: int, num_rounds: int) -> Iterator[str]:
    loops: dict[str, Save] = {"plain": _save_plainly, "sotto": _save_politely}
    speeds: dict[str, list[Speed]] = {name: [] for name in loops}
    for turn in range(num_rounds):
        for name in sorted(loops, reverse=bool(turn % 2)):
            speeds[name].append(_time(loops[name], places, file_bytes, num_files))
    for name, rounds in speeds.items():
        yield _line(name, file_bytes, rounds)
    pairs = list(zip(speeds["sotto"], speeds["plain"], strict=True))
    per_core = statistics.median(ours.files_per_core_s / plain.files_per_core_s for ours, plain in pairs)
    per_second = statistics.median(plain.wall_s / ours.wall_s for ours, plain in pairs)
    yield f"{file_bytes:>10} ratio    {per_second:.2f} of the plain loop's files/s, {per_core:.2f} per core"


def _time(save: Save, places: Places, file_bytes: int, num_files: int) -> Speed:
    with tempfile.TemporaryDirectory() as folder:
        wall_s, core_s = time.perf_counter(), time.process_time()
        asyncio.run(save(places, num_files, Path(folder)))
        wall_s, core_s = time.perf_counter() - wall_s, time.process_time() - core_s
        saved = [path.stat().st_size for path in Path(folder).rglob("*") if len(path.name) == 64]
    total = num_files * len(places)
    assert saved == [file_bytes] * total, f"{len(saved)} of {total} files were saved"
    return Speed(num_files=total, num_bytes=sum(saved), wall_s=wall_s, core_s=core_s)


def _line(name: str, file_bytes: int, rounds: Sequence[Speed]) -> str:
    wall_s = statistics.median(item.wall_s for item in rounds)
    core_s = statistics.median(item.core_s for item in rounds)
    num_files, megabytes = rounds[0].num_files, rounds[0].num_bytes / 1e6
    return (
        f"{file_bytes:>10} {name:8} {num_files / wall_s:9.0f} {megabytes / wall_s:9.1f} "
        f"{num_files / core_s:13.0f} {megabytes / core_s:10.1f}"
    )


async def _save_plainly(places: Places, num_files: int, folder: Path) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(_save_host(session, place, num_files, folder) for place in places.values()))


async def _save_host(session: aiohttp.ClientSession, place: str, num_files: int, folder: Path) -> None:
    for number in _numbers(place, num_files):
        await _save_file(session, f"http://{place}/{number}", folder)


async def _save_file(session: aiohttp.ClientSession, url: str, folder: Path) -> None:
    temporary, digest = folder / uuid.uuid4().hex, hashlib.sha256()
    async with session.get(url) as answer:
        with temporary.open("wb") as file:
            async for chunk in answer.content.iter_any():
                digest.update(chunk)
                file.write(chunk)
    temporary.rename(folder / digest.hexdigest())


async def _save_politely(places: Places, num_files: int, folder: Path) -> None:
    asks = [
        Ask(url=f"http://{name}/{number}", kind="audio")
        for name, place in places.items()
        for number in _numbers(place, num_files)
    ]
    async with open_crawl(_options(places), str(folder)) as crawl:
        await asyncio.gather(*(crawl.get(ask) for ask in asks))


async def _memory_growth(places: Places, num_files: int) -> int:
    """Return by how many bytes the peak grew after the first units, up to the last."""
    names, warm = list(places), 0
    with tempfile.TemporaryDirectory() as folder:
        async with open_crawl(_options(places), folder) as crawl:
            for start in range(0, num_files, FILES_PER_UNIT):
                numbers = range(start, min(start + FILES_PER_UNIT, num_files))
                asks = [Ask(url=f"http://{names[number % len(names)]}/{number}", kind="audio") for number in numbers]
                answers = await asyncio.gather(*(crawl.get(ask) for ask in asks))
                assert all(answer.status == "ok" for answer in answers)
                warm = _peak_bytes() if start < WARM_FILES else warm
    return _peak_bytes() - warm


def _options(places: Places) -> HttpOptions:
    return HttpOptions(contact="benchmark", delay_s=0.0, pins=places)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _addresses(number: int) -> list[str]:
    return [f"127.0.0.{2 + place}" for place in range(number)]


def _names(places: Sequence[str]) -> dict[str, str]:
    return {f"host{number}.test": place for number, place in enumerate(places)}


def _numbers(place: str, num_files: int) -> range:
    """Give each host numbers of its own: no two files of a round are the same."""
    first = 1_000_000 * int(place.partition(":")[0].rpartition(".")[2])
    return range(first, first + num_files)
