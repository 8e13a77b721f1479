"""What a fetch would ask for, before anything is asked: candidates by what awaits them, requests and time by site.

The times are lower bounds: pauses between requests to a site, without what the bytes take, and without slowing down
for sites that answer slowly or ask us to wait.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.hosts import is_web, site_of
from pipeline.takedown import TAKEN_DOWN

Row = dict[str, Any]
COLUMNS = ("audio_url", "text_url", "status", "opt_out_evidence", "declared_duration_ms")
TO_FETCH, STORED, LOCAL, OPTED_OUT, NO_AUDIO = "to fetch", "stored already", "local files", "opted out", "without audio"


class Known(Protocol):
    """What earlier runs left: answers that are final, and what sites ask of crawlers."""

    def is_stored(self, url: str) -> bool:
        """Tell whether an address would not be asked for again."""
        ...

    def num_notices(self, url: str) -> int:
        """Count the files for crawlers (robots.txt and the like) to be read of an address's origin first."""
        ...

    def origin(self, url: str) -> str:
        """Return the origin whose files these are."""
        ...

    def pause_s(self, site: str) -> float:
        """Return the pause between two requests to a site, as far as it is known."""
        ...


@dataclass(slots=True)
class Load:
    """What a site will be asked for."""

    num_requests: int = 0
    declared_ms: int = 0
    pause_s: float = 0.0

    @property
    def time_s(self) -> float:
        """How long politeness alone takes."""
        return self.num_requests * self.pause_s


@dataclass(frozen=True, slots=True)
class Forecast:
    """Candidates by what awaits them, sites by what they are asked, and how long that takes at least."""

    outlook: Counter[str] = field(default_factory=Counter[str])
    sites: dict[str, Load] = field(default_factory=dict[str, Load])
    num_undeclared: int = 0  # to be fetched, and nobody says how long they are
    total_s: float = 0.0


def forecast(units: Iterable[Sequence[Row]], known: Known, units_at_once: int) -> Forecast:
    """Look at every unit of candidates (COLUMNS); units run beside each other, a site's requests one by one."""
    outlook, sites = Counter[str](), defaultdict[str, Load](Load)
    num_undeclared, units_s, asked, origins = 0, 0.0, set[str](), set[str]()
    for rows in units:
        before = {site: load.num_requests for site, load in sites.items()}
        for row in rows:
            state = _outlook(row, known)
            outlook[state] += 1
            if state != TO_FETCH:
                continue
            num_undeclared += row["declared_duration_ms"] is None
            sites[site_of(row["audio_url"]) or site_of(row["text_url"])].declared_ms += row["declared_duration_ms"] or 0
            for url in _to_ask(row, known):
                load = sites[site_of(url)]
                load.pause_s = known.pause_s(site_of(url))
                load.num_requests += url not in asked
                load.num_requests += 0 if known.origin(url) in origins else known.num_notices(url)
                asked.add(url)
                origins.add(known.origin(url))
        added = ((load.num_requests - before.get(site, 0)) * load.pause_s for site, load in sites.items())
        units_s += max(added, default=0.0)
    slowest_s = max((load.time_s for load in sites.values()), default=0.0)
    return Forecast(outlook, dict(sites), num_undeclared, max(slowest_s, units_s / max(1, units_at_once)))


def _outlook(row: Row, known: Known) -> str:
    if row["status"] == TAKEN_DOWN:
        return TAKEN_DOWN.replace("_", " ")
    if row["opt_out_evidence"]:
        return OPTED_OUT
    if row["status"] != "ok":
        return NO_AUDIO
    if not any(map(is_web, (row["audio_url"], row["text_url"] or ""))):
        return LOCAL
    return TO_FETCH if _to_ask(row, known) else STORED


def _to_ask(row: Row, known: Known) -> list[str]:
    urls = (row["audio_url"], row["text_url"] or "")
    return [url for url in urls if is_web(url) and not known.is_stored(url)]
