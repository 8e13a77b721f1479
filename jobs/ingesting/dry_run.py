"""DRY_RUN=1 make ingest: discover, then say what would be fetched, from whom, and how long politeness alone takes.

Discovery asks its places for what is not stored yet, as politely as ever; of what they list, nothing is asked for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from omegaconf import DictConfig

from jobs.command.progress import MS_PER_HOUR, printable, spell
from pipeline import artifact, store
from pipeline.artifact import Artifact
from pipeline.fetch import answers, robots
from pipeline.fetch.address import origin_of
from pipeline.hosts import site_of
from pipeline.ledger.forecast import COLUMNS, Forecast, Row, forecast

TOP = 20
NOTICES = (robots.ROBOTS, robots.TDMREP, robots.AI_TXT)


def describe_fetch(cfg: DictConfig, candidate: Artifact) -> str:
    """Return the forecast of a fetch as a table for a terminal."""
    found = forecast(_units(candidate), Stored(cfg), units_at_once(cfg))
    return "\n".join(lines(found, units_at_once(cfg)))


def units_at_once(cfg: DictConfig) -> int:
    """Return how many units can run beside each other; on a cluster as many as are in flight."""
    if cfg.executor.kind == "serial":
        return 1
    if cfg.executor.address is not None:
        return int(cfg.executor.units_in_flight)
    return int(min(cfg.executor.units_in_flight, cfg.executor.num_cpus or os.cpu_count() or 1))


class Stored:
    """What lies beside the blobs: final answers, and the robots.txt of each origin met."""

    def __init__(self, cfg: DictConfig) -> None:
        """Read which files for crawlers are stored."""
        self._blobs_uri = store.join(cfg.data_root, "blobs")
        self._refresh, self._retry, self._delay_s = cfg.refresh, cfg.retry, float(cfg.fetch.http.delay_s)
        self._delays_s: dict[str, float] = {}
        self._notices: set[str] = set()
        for notice in _notices(self._blobs_uri):
            self._notices.add(notice["url"])
            if urlsplit(notice["url"]).path == robots.ROBOTS and notice.get("sha256"):
                site, asked_s = site_of(notice["url"]), _asked_s(self._blobs_uri, notice["sha256"])
                self._delays_s[site] = max(asked_s, self._delays_s.get(site, 0.0))

    def is_stored(self, url: str) -> bool:
        """Tell whether an address would not be asked for again."""
        answer = answers.load(self._blobs_uri, url)
        if answer is None or answer.refresh != self._refresh:
            return False
        return not answer.is_retryable or answer.retry == self._retry

    def origin(self, url: str) -> str:
        """Return the origin of an address."""
        return origin_of(url)

    def num_notices(self, url: str) -> int:
        """Count the files for crawlers that are not stored of an address's origin."""
        return sum(origin_of(url) + path not in self._notices for path in NOTICES)

    def pause_s(self, site: str) -> float:
        """Return the longer of our own pause and the pause its robots.txt asks for, where that is known."""
        return max(self._delay_s, self._delays_s.get(site, 0.0))


def lines(found: Forecast, at_once: int) -> list[str]:
    """Write the forecast: candidates, the sites that take longest, and the time at least."""
    outlook = ", ".join(f"{number:,} {state}" for state, number in found.outlook.most_common())
    text = [f"nothing was fetched; {found.outlook.total():,} candidates: {outlook or 'none'}"]
    ordered = sorted(found.sites.items(), key=lambda pair: (-pair[1].time_s, -pair[1].num_requests, pair[0]))
    if ordered:
        text += ["", f"  {'site':<40}{'requests':>10}{'hours':>10}{'pause':>9}{'at least':>12}"]
    for site, load in ordered[:TOP]:
        hours = f"{load.declared_ms / MS_PER_HOUR:,.1f}" if load.declared_ms else "-"
        pause, least = f"{load.pause_s:.1f} s", spell(load.time_s)
        text.append(f"  {printable(site):<40}{load.num_requests:>10,}{hours:>10}{pause:>9}{least:>12}")
    text += [f"  ... and {len(ordered) - TOP:,} more sites"] * (len(ordered) > TOP)
    if found.num_undeclared:
        text.append(f"  {found.num_undeclared:,} of what would be fetched do not say how long they are")
    slowest = f"; {printable(ordered[0][0])} alone takes {spell(ordered[0][1].time_s)}" if ordered else ""
    units = f"{at_once} unit{'s' if at_once > 1 else ''} at once"
    return [*text, "", f"politeness alone takes at least {spell(found.total_s)} with {units}{slowest}"]


def _units(candidate: Artifact) -> Iterator[list[Row]]:
    for number in range(artifact.num_parts(candidate)):
        yield artifact.read_part(candidate, number, COLUMNS).to_pylist()


def _notices(blobs_uri: str) -> Iterator[Row]:
    folder = store.join(blobs_uri, robots.FOLDER)
    for name in store.list_names(folder):
        if name.endswith(".json"):
            yield json.loads(store.read_bytes(store.join(folder, name)))


def _asked_s(blobs_uri: str, sha256: str) -> float:
    uri = store.blob_uri(blobs_uri, sha256)
    return robots.asked_s(robots.text_of(store.read_bytes(uri))) if store.exists(uri) else 0.0
