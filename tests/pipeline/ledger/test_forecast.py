"""A forecast counts each request once, and its time is the slowest site's or what the units share."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.ledger.forecast import COLUMNS, Forecast, Row, forecast


@dataclass(frozen=True)
class Met:
    """What is known of a small web."""

    stored: frozenset[str] = frozenset()
    pauses: tuple[tuple[str, float], ...] = ()
    notices: int = 0

    def is_stored(self, url: str) -> bool:
        return url in self.stored

    def num_notices(self, url: str) -> int:
        return self.notices

    def origin(self, url: str) -> str:
        return urlsplit(url).netloc

    def pause_s(self, site: str) -> float:
        return dict(self.pauses).get(site, 1.0)


def row(audio_url: str, text_url: str | None = None, **facts: object) -> Row:
    return dict.fromkeys(COLUMNS) | {"audio_url": audio_url, "text_url": text_url, "status": "ok"} | facts


def looked_at(*units: list[Row], known: Met | None = None, at_once: int = 8) -> Forecast:
    return forecast(units, known or Met(), at_once)


def test_candidates_are_counted_by_what_awaits_them() -> None:
    found = looked_at(
        [
            row("http://a.test/1", "http://a.test/1.vtt"),
            row("http://a.test/2"),
            row("http://a.test/3", opt_out_evidence="noai"),
            row("http://a.test/4", status="taken_down", opt_out_evidence="noai"),
            row("", status="http_404"),
            row("/talks/1.mp3", "/talks/1.vtt"),
        ],
        known=Met(stored=frozenset({"http://a.test/2"})),
    )
    assert found.outlook == {
        "to fetch": 1, "stored already": 1, "opted out": 1, "taken down": 1, "without audio": 1, "local files": 1
    }  # fmt: skip
    assert found.outlook.total() == 6


def test_each_request_counts_once_and_each_origins_files_for_crawlers_too() -> None:
    unit = [row("http://a.test/1", "http://t.test/1"), row("http://a.test/2", "http://t.test/1")]
    found = looked_at(unit, known=Met(notices=3))
    assert {site: load.num_requests for site, load in found.sites.items()} == {"a.test": 2 + 3, "t.test": 1 + 3}


def test_a_sites_subdomains_share_its_pace_and_declared_time_is_added_up() -> None:
    unit = [
        row("http://x.a.org/1", declared_duration_ms=60_000),
        row("http://y.a.org/1", declared_duration_ms=30_000),
        row("http://y.a.org/2"),
    ]
    found = looked_at(unit, known=Met(pauses=(("a.org", 10.0),)))
    assert (found.sites["a.org"].num_requests, found.sites["a.org"].declared_ms) == (3, 90_000)
    assert (found.num_undeclared, found.total_s) == (1, 30.0)


def test_units_run_beside_each_other_as_far_as_there_are_workers() -> None:
    units = [[row(f"http://{name}.test/{number}") for number in range(10)] for name in "abcd"]
    assert looked_at(*units, at_once=1).total_s == 40.0
    assert looked_at(*units, at_once=2).total_s == 20.0
    assert looked_at(*units, at_once=8).total_s == 10.0


def test_a_site_in_several_units_has_one_budget() -> None:
    units = [[row(f"http://a.test/{unit}-{number}") for number in range(10)] for unit in range(4)]
    assert looked_at(*units, at_once=4).total_s == 40.0


def test_nothing_to_do_takes_no_time() -> None:
    assert looked_at().total_s == 0.0
