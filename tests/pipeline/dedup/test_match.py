"""Duplicates are found by what they share, whatever the order, and the best one is kept."""

from __future__ import annotations

import itertools

from pipeline.dedup.match import UNIQUE, Signature, match, text_key


def signature(
    name: str, audio: str, pcm: str | None = None, text: str | None = None, quality: float = 0.0
) -> Signature:
    keys = {"exact_audio": audio, "exact_pcm": pcm, "exact_text": text}
    return Signature(recording_id=name, keys=keys, quality=(quality,))


CORPUS = [
    signature("a", "x1", "p1", "t1", quality=0.1),
    signature("b", "x2", "p1", None, quality=0.9),
    signature("c", "x3", "p3", "t1", quality=0.5),
    signature("d", "x4", "p4", None, quality=0.5),
]


def test_a_chain_of_shared_keys_is_one_cluster_and_the_best_member_is_kept() -> None:
    found = match(CORPUS)
    assert {name: (item.cluster_id, item.representative_id) for name, item in found.items()} == {
        "a": ("a", "b"),
        "b": ("a", "b"),
        "c": ("a", "b"),
        "d": ("d", "d"),
    }


def test_the_strongest_evidence_names_the_method() -> None:
    assert {name: item.method for name, item in match(CORPUS).items()} == {
        "a": "exact_pcm",
        "b": "exact_pcm",
        "c": "exact_text",
        "d": UNIQUE,
    }


def test_any_order_gives_the_same_clusters() -> None:
    assert all(match(order) == match(CORPUS) for order in itertools.permutations(CORPUS))


def test_equal_quality_is_decided_by_id() -> None:
    twins = [signature("z", "x"), signature("y", "x")]
    assert {item.representative_id for item in match(twins).values()} == {"y"}


def test_recordings_without_keys_match_nothing() -> None:
    blank = [Signature(recording_id=name, keys={"exact_text": None}, quality=(0.0,)) for name in "ab"]
    assert {item.method for item in match(blank).values()} == {UNIQUE}


def test_a_short_text_is_no_evidence() -> None:
    assert text_key("thank you", 20) is None
    assert text_key("one two three", 3) == text_key("one two three", 2)
