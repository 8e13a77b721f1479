"""All stages of dedup over tiny corpora: what is found, what is kept, whatever the order, the workers or a kill."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.running.executor import Done
from pipeline import artifact, store, unions
from pipeline.dedup import sign
from pipeline.dedup.evals import HeldOut
from pipeline.dedup.tables import DEDUP_TABLES
from pipeline.errors import DataError
from pipeline.stage import Unit
from tests.pipeline.dedup.corpus import Recording, clusters, noisy, run, sound, words

LONG = words("x", 60)
NEAR = words("x", 55) + " and another end altogether"


def kept(rows: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, row in rows.items() if row["is_representative"]}


def evidence(rows: dict[str, dict[str, Any]], name: str) -> tuple[Any, ...]:
    return tuple(rows[name][column] for column in ("method", "partner_id", "similarity", "offset_ms"))


def test_equal_bytes_samples_and_texts_are_told_by_the_strongest_evidence(tmp_path: Path) -> None:
    parts = [
        [Recording(name="a", audio="same"), Recording(name="c", pcm="same"), Recording(name="e", texts=(LONG,))],
        [],
        [
            Recording(name="b", audio="same", pcm="samples of a"),
            Recording(name="d", pcm="same"),
            Recording(name="f", texts=("X0, " + LONG[3:].upper(),)),
            Recording(name="z"),
        ],
    ]
    rows = clusters(tmp_path, parts)
    assert evidence(rows, "b") == ("exact_audio", "a", 1.0, None)
    assert evidence(rows, "d") == ("exact_pcm", "c", 1.0, None)
    assert evidence(rows, "f") == ("exact_text", "e", 1.0, None)
    assert evidence(rows, "z") == ("unique", None, None, None)
    assert kept(rows) == {"a", "c", "e", "z"}
    assert not any(row["has_common_text"] for row in rows.values())
    assert {name: row["cluster_id"] for name, row in rows.items()} == dict(zip("abcdefz", "aacceez", strict=True))


def test_a_near_duplicate_text_is_verified_by_its_whole_set_of_shingles(tmp_path: Path) -> None:
    far = words("x", 42) + " " + words("y", 18)
    parts = [
        [Recording(name="a", texts=(words("x", 30), words("x", 30, start=30)))],
        [Recording(name="b", texts=(NEAR,))],
    ]
    rows = clusters(tmp_path, [*parts, [Recording(name="c", texts=(far,))]], min_jaccard=0.75)
    shared, every = 51, 56 + 55 - 51
    assert evidence(rows, "b") == ("minhash", "a", pytest.approx(shared / every), None)
    assert rows["c"]["method"] == "unique"
    assert kept(clusters(tmp_path, parts, min_jaccard=0.86)) == {"a", "b"}
    assert kept(clusters(tmp_path, parts, min_jaccard=0.85)) == {"a"}, "the share asked for is enough"


def test_a_phrase_over_other_audio_is_marked_and_rejects_nothing(tmp_path: Path) -> None:
    parts = [[Recording(name=f"r{number}", texts=("Thank you!",)) for number in range(50)]]
    rows = clusters(tmp_path, [*parts, [Recording(name="other", texts=("thanks",))]])
    assert kept(rows) == set(rows)
    assert {name for name, row in rows.items() if not row["has_common_text"]} == {"other"}
    assert {row["method"] for row in rows.values()} == {"unique"}


def test_a_text_of_as_many_words_as_are_asked_for_is_evidence(tmp_path: Path) -> None:
    part = [Recording(name=name, texts=(words(name[0], int(name[1:3])),)) for name in ("x20a", "x20b", "y19a", "y19b")]
    rows = clusters(tmp_path, [part], min_text_words=20)
    assert kept(rows) == {"x20a", "y19a", "y19b"}
    assert [row["has_common_text"] for row in rows.values()] == [name[0] == "y" for name in rows]


def test_a_sound_is_found_again_shifted_and_noisy_with_where_it_begins(tmp_path: Path) -> None:
    copy = noisy(np.concatenate([np.zeros(16, np.uint32), sound(1)]), 0.6)
    parts = [
        [Recording(name="a", codes=sound(1))],
        [Recording(name="b", codes=copy), Recording(name="c", codes=sound(2))],
    ]
    rows = clusters(tmp_path, parts)
    method, partner, similarity, offset = evidence(rows, "b")
    assert (method, partner, offset) == ("audio_fingerprint", "a", -512)
    assert similarity == pytest.approx(1 - 0.6 * 2 / 32, abs=0.01)
    assert rows["c"]["method"] == "unique"


def test_a_jingle_that_two_recordings_share_makes_no_duplicates(tmp_path: Path) -> None:
    jingle = sound(9, 200)
    codes = [np.concatenate([jingle, sound(seed, 400)]) for seed in (1, 2)]
    rows = clusters(tmp_path, [[Recording(name=name, codes=part) for name, part in zip("ab", codes, strict=True)]])
    assert kept(rows) == {"a", "b"}


def test_a_recording_that_is_silent_where_another_speaks_is_not_its_equal(tmp_path: Path) -> None:
    gaps = np.where(np.arange(400) % 5 < 3, 0, sound(1)).astype(np.uint32)
    part = [Recording(name="a", codes=sound(1)), Recording(name="b", codes=gaps, texts=("One text.",), kind="human")]
    rows = clusters(tmp_path, [part])
    assert rows["a"]["cluster_id"] == rows["b"]["cluster_id"]
    assert kept(rows) == {"a", "b"}


def test_the_share_of_sound_that_is_asked_for_is_enough(tmp_path: Path) -> None:
    four_of_five_blocks = np.concatenate([sound(1, 320)[:256], sound(2, 64)])
    part = [Recording(name="a", codes=sound(1, 320)), Recording(name="b", codes=four_of_five_blocks)]
    assert kept(clusters(tmp_path, [part], min_sound_coverage=0.8)) == {"a"}
    assert kept(clusters(tmp_path, [part], min_sound_coverage=0.81)) == {"a", "b"}


CORPUS = [
    Recording(name="a", audio="1", texts=(LONG,)),
    Recording(name="b", audio="1"),
    Recording(name="c", texts=(NEAR,), codes=sound(5)),
    Recording(name="d", codes=noisy(sound(5), 0.5), kind="human", texts=(words("d", 40),)),
    Recording(name="e", texts=("hello",)),
    Recording(name="f", texts=("hello",)),
]


def test_any_order_and_any_cut_into_parts_gives_the_same_clusters(tmp_path: Path) -> None:
    expected = clusters(tmp_path, [CORPUS], min_jaccard=0.75)
    assert kept(expected) == {"d", "e", "f"}
    rng = np.random.default_rng(0)
    for _ in range(20):
        shuffled = [CORPUS[place] for place in rng.permutation(len(CORPUS))]
        cut = int(rng.integers(0, len(CORPUS)))
        assert clusters(tmp_path, [shuffled[:cut], [], shuffled[cut:]], min_jaccard=0.75) == expected


def test_partitions_change_no_row(tmp_path: Path) -> None:
    assert clusters(tmp_path, [CORPUS], partitions=1) == clusters(tmp_path, [CORPUS], partitions=7)


def test_a_hit_of_a_hundred_copies_is_one_cluster_though_not_all_pairs_are_looked_at(tmp_path: Path) -> None:
    names = [f"r{number:03d}" for number in range(100)]
    copies = [
        [Recording(name=name, texts=(LONG,)) for name in names[start : start + 25]] for start in range(0, 100, 25)
    ]
    made = run(tmp_path, copies)
    rows = artifact.read_all(made["cluster"])
    assert set(rows["cluster_id"].to_pylist()) == {"r000"}
    assert rows["is_representative"].to_pylist().count(True) == 1
    assert artifact.read_all(made["link"]).num_rows < 100 * 99 / 4


def test_a_grown_corpus_signs_only_its_new_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signed: list[int] = []
    measure = sign.measure

    def counted(texts: Any) -> Any:
        signed.append(len(texts))
        return measure(texts)

    monkeypatch.setattr(sign, "measure", counted)
    first = clusters(tmp_path, [CORPUS[:2], CORPUS[2:4]])
    assert signed == [2, 2]
    grown = clusters(
        tmp_path, [CORPUS[:2], CORPUS[4:], CORPUS[2:4], [Recording(name="g", texts=(LONG,), kind="human")]]
    )
    assert signed == [2, 2, 2, 1]
    assert kept(first) == {"d"} and kept(grown) == {"d", "e", "f"}


class Killed(BaseException):
    """What no retry catches."""


def with_evals() -> tuple[list[Recording], list[HeldOut]]:
    """Return CORPUS and one recording more, which holds the evaluation item that is returned too."""
    item = HeldOut(eval_set="lines", item="1", text=words("e", 20), audio_uri=None)
    return [*CORPUS, Recording(name="tainted", texts=("so " + words("e", 20),))], [item]


def test_a_kill_at_any_write_is_resumed_to_the_same_bytes_in_every_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, evals = with_evals()
    parts = [corpus[:3], corpus[3:]]
    expected = run(tmp_path / "whole", parts, evals=evals)
    publish, killed = store.publish, set[tuple[str, str]]()

    def dying(uri: str, data: bytes) -> None:
        name, _, file = uri.removeprefix(str(tmp_path / "killed") + "/").split("/", 2)
        kind = (name, file.split("/")[0].split("-")[0])  # a part, a receipt, the manifest
        if name in made_by_dedup and kind not in killed:
            killed.add(kind)
            raise Killed
        publish(uri, data)

    made_by_dedup = {*DEDUP_TABLES, "cluster"} - {"eval_item"}
    monkeypatch.setattr(store, "publish", dying)
    made = None
    while made is None:
        with contextlib.suppress(Killed):
            made = run(tmp_path / "killed", parts, evals=evals)
    assert killed == {(name, kind) for name in made_by_dedup for kind in ("part", "_receipts", "_MANIFEST.json")}
    assert all(_bytes(made[name]) == _bytes(expected[name]) for name in made)


class TwoAtOnce:
    """An executor with two workers, which take the units from the last one on."""

    def run(self, task: Callable[[Unit], int], units: Sequence[Unit]) -> Iterator[Done]:
        backwards = list(reversed(units))
        with ThreadPoolExecutor(2) as pool:
            yield from (
                Done(unit=unit, audio_ms=length)
                for unit, length in zip(backwards, pool.map(task, backwards), strict=True)
            )


def test_workers_and_their_order_change_no_byte(tmp_path: Path) -> None:
    corpus, evals = with_evals()
    parts = [corpus[:2], corpus[2:3], corpus[3:]]
    one = run(tmp_path / "one", parts, evals=evals)
    two = run(tmp_path / "two", parts, TwoAtOnce(), evals=evals)
    assert one.keys() == two.keys() >= {"contamination", *DEDUP_TABLES}
    assert all(_bytes(one[name]) == _bytes(two[name]) for name in one)


def _bytes(place: artifact.Artifact) -> list[bytes]:
    return [path.read_bytes() for path in sorted(Path(place.uri).glob("*.parquet"))]


def test_a_source_that_loses_too_much_stops_the_run(tmp_path: Path) -> None:
    good = [Recording(name=f"g{number}", source="good", audio=f"{number % 3}") for number in range(4)]
    mirror = [Recording(name=f"m{number}", source="mirror", audio=f"{number}") for number in range(3)]
    message = "source 'mirror' loses 3 of 3 recordings as duplicates .*; expected at most 50%; .* dedup.max_source_loss"
    with pytest.raises(DataError, match=message):
        clusters(tmp_path, [good, mirror], max_source_loss=0.5)
    clusters(tmp_path, [good, mirror], max_source_loss=1.0)
    with pytest.raises(DataError, match="source 'mirror' loses 3 of 3"):
        clusters(tmp_path, [good, mirror], max_source_loss=0.99)


def test_a_source_that_loses_just_what_it_may_goes_on(tmp_path: Path) -> None:
    half = [Recording(name=f"h{number}", audio=f"{number % 2}") for number in range(4)]
    assert len(kept(clusters(tmp_path, [half[:1], [], half[1:]], max_source_loss=0.5))) == 2


def feed(name: str, page: str, audio: str | None = None, split: str | None = None) -> Recording:
    return Recording(name=name, page=f"http://{page}.test/feed", audio=audio, split=split)


def places(root: Path, corpus: Sequence[Recording]) -> dict[str, tuple[float, str | None]]:
    rows = clusters(root, [corpus])
    return {name: (row["split_at"], row["declared_split"]) for name, row in rows.items()}


def test_a_feed_lies_in_one_split_and_rows_of_a_table_are_drawn_alone(tmp_path: Path) -> None:
    table = [Recording(name=f"t{number}", page=f"http://a.test/list.jsonl#line={number}") for number in range(2)]
    files = [Recording(name=f"l{number}", page="folder") for number in range(2)]
    found = places(tmp_path, [feed("a", "one"), feed("b", "one"), feed("c", "two"), *table, *files])
    assert found["a"] == found["b"] != found["c"]
    assert len({found[name] for name in ("t0", "t1", "l0", "l1")}) == 4


def test_feeds_that_share_a_duplicate_go_where_the_greater_goes_and_never_back(tmp_path: Path) -> None:
    alone = places(tmp_path, [feed("a", "one"), feed("b", "two"), feed("c", "three")])
    corpus = [feed("a", "one"), feed("b", "two"), feed("c", "three"), feed("x", "one", "1"), feed("y", "two", "1")]
    tied = places(tmp_path, corpus)
    assert tied["a"] == tied["b"] == tied["x"] == tied["y"] == max(alone["a"], alone["b"])
    assert tied["c"] == alone["c"]


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (("test", "train"), "train"),
        (("test", "validation"), "validation"),
        (("test", None), None),
        (("train", None), "train"),
        (("test", "test"), "test"),
    ],
)
def test_duplicates_with_declared_splits_share_one(
    tmp_path: Path, splits: tuple[str | None, str | None], expected: str | None
) -> None:
    corpus = [feed(name, name, "same", split) for name, split in zip("ab", splits, strict=True)]
    found = places(tmp_path, [*corpus, feed("z", "z", split="test"), feed("beside", "b")])
    assert found["a"][1] == found["b"][1] == expected
    assert expected or found["a"][0] == found["b"][0]
    assert found["z"][1] == "test"
    assert found["beside"][1] == (expected if splits[1] is None else None)


def test_names_sink_to_the_smallest_they_touch() -> None:
    one, other = np.array([4, 1, 7, 8]), np.array([1, 0, 8, 3])
    assert unions.roots(9, one, other).tolist() == [0, 0, 2, 3, 0, 5, 6, 3, 3]
    assert unions.roots(0, one[:0], other[:0]).tolist() == []
