"""Places by the hours that are wrong in them."""

from __future__ import annotations

from typing import Any

from pipeline.decide.ranking import rank

HOUR = 3_600_000


def window(host: str, reason: str, hours: float = 1.0, error: float | None = None) -> dict[str, Any]:
    return {
        "duration_ms": int(hours * HOUR),
        "reason": reason,
        "source": "web",
        "audio_url": f"https://{host}/a.mp3",
        "seed_url": f"https://{host}/feed.xml",
        "error": error,
    }


def test_much_of_a_little_wrong_comes_before_little_of_much_wrong() -> None:
    big = [window("big.test", "kept", 9), window("big.test", "noisy", 3), window("big.test", "music", 1)]
    places = rank([*big, window("bad.test", "noisy", 2)])
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
    row = {**window("a.test", "kept"), "audio_url": "/data/a.mp3", "seed_url": None}
    assert [place.level for place in rank([row])] == ["source"]
