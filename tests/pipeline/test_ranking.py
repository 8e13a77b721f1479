"""Places by the hours that are wrong in them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pipeline.ranking import Place, Ranking

HOUR = 3_600_000
COLUMNS = pa.schema(
    [
        ("duration_ms", pa.int64()),
        ("reason", pa.string()),
        ("source", pa.string()),
        ("host", pa.string()),
        ("feed", pa.string()),
        ("error", pa.float64()),
    ]
)


def window(host: str | None, reason: str, hours: float = 1.0, error: float | None = None) -> dict[str, Any]:
    feed = f"https://{host}/feed.xml" if host else None
    return {
        "duration_ms": int(hours * HOUR),
        "reason": reason,
        "source": "web",
        "host": host,
        "feed": feed,
        "error": error,
    }


def rank(*parts: list[dict[str, Any]], max_places: int = 100) -> list[Place]:
    ranking = Ranking(max_places)
    for part in parts:
        ranking.add(pa.Table.from_pylist(part, schema=COLUMNS))
    return ranking.places()


def test_much_of_a_little_wrong_comes_before_little_of_much_wrong() -> None:
    big = [window("big.test", "kept", 9), window("big.test", "noisy", 3), window("big.test", "music", 1)]
    places = rank(big, [window("bad.test", "noisy", 2)])
    assert [(place.level, place.name, place.hours, place.reason) for place in places] == [
        ("source", "web", 15.0, "noisy"),
        ("feed", "https://big.test/feed.xml", 13.0, "noisy"),
        ("host", "big.test", 13.0, "noisy"),
        ("feed", "https://bad.test/feed.xml", 2.0, "noisy"),
        ("host", "bad.test", 2.0, "noisy"),
    ]
    assert [place.weight for place in places] == [6.0, 4.0, 4.0, 2.0, 2.0]


def test_a_models_error_counts_where_one_was_asked() -> None:
    [place, *_] = rank([window("a.test", "kept", 1, 0.5), window("a.test", "kept", 1, 3.0)])
    assert (place.error, place.reason) == (0.75, "")


def test_local_files_have_no_host() -> None:
    assert [place.level for place in rank([window(None, "kept")])] == ["source"]


def test_too_many_places_are_forgotten_from_the_least_wrong_up() -> None:
    hosts = [window(f"{number}.test", "noisy", number) for number in range(1, 6)]
    assert sorted(place.name for place in rank(hosts, max_places=3)) == ["5.test", "https://5.test/feed.xml", "web"]
