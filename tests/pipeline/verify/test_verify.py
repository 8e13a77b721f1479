"""Each kind of damage is found, by the invariant it breaks and by name; a whole corpus passes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import artifact, store
from pipeline.fetch.guard import is_public
from pipeline.verify.corpus import Corpus
from pipeline.verify.run import Judges, verify
from pipeline.verify.shards import Tokens
from pipeline.verify.verdict import Verdict
from tests.pipeline.verify.tiny_corpus import NOON_MS, Row, answer, hop, make, rewrite, tars

LATER_S = 4e9
FULL = Tokens(total=448, prompt=224)
Members = list[tuple[str, bytes]]


def judged(
    corpus: Corpus,
    tokens: Tokens = FULL,
    change: Callable[[bytes], bytes | None] = lambda data: data,
    most_remade: int | None = None,
) -> dict[str, Verdict]:
    uris = [row["uri"] for row in corpus.rows("shard_index", ("uri",))]
    whole = [store.join(corpus.made["shard_index"].uri, uri) for uri in uris]
    judges = Judges(
        now_s=LATER_S,
        count_tokens=lambda described: tokens,
        is_public=is_public,
        private_hosts=frozenset({"own.test"}),
        remake=lambda number: change(store.read_bytes(whole[number])) if store.exists(whole[number]) else None,
        most_remade=most_remade,
    )
    return {verdict.invariant: verdict for verdict in verify(corpus, judges)}


def test_a_whole_corpus_holds_every_invariant(tmp_path: Path) -> None:
    found = judged(make(tmp_path))
    assert list(found) == ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13", "I14"]
    assert {name: verdict.first for name, verdict in found.items() if verdict.num_bad} == {}
    assert [name for name, verdict in found.items() if not verdict.num_checked] == ["I14"]  # it has no report


def change_bytes(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def change_members(corpus: Corpus, change: Callable[[Members], Members]) -> None:
    """Write the first tar again with other members, and an index that has its new size and hash."""
    path = tars(corpus)[0]
    with tarfile.open(path) as tar:
        members = [(item.name, tar.extractfile(item).read()) for item in tar]  # pyright: ignore[reportOptionalMemberAccess]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in change(members):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    fit_index(corpus, path)


def fit_index(corpus: Corpus, path: Path) -> None:
    data = path.read_bytes()
    fitting = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    rewrite(corpus, "shard_index", lambda row: row | (fitting if str(path).endswith(row["uri"]) else {}))


def change_first_json(corpus: Corpus, **changes: object) -> None:
    def change(members: Members) -> Members:
        at = next(number for number, (name, _) in enumerate(members) if name.endswith(".json"))
        members[at] = members[at][0], json.dumps(json.loads(members[at][1]) | changes).encode()
        return members

    change_members(corpus, change)


def tar_damage(change: Callable[[Members], Members]) -> Callable[[Corpus], None]:
    return lambda corpus: change_members(corpus, change)


def rows(name: str, change: Callable[[Row], Row]) -> Callable[[Corpus], None]:
    return lambda corpus: rewrite(corpus, name, change)


def sample_json(**changes: object) -> Callable[[Corpus], None]:
    return lambda corpus: change_first_json(corpus, **changes)


def cut_tar(corpus: Corpus) -> None:
    path = tars(corpus)[0]
    change_bytes(path, lambda data: data[: len(data) // 2])
    fit_index(corpus, path)


def cut_tar_between_members(corpus: Corpus) -> None:
    path = tars(corpus)[0]
    [row] = [row for row in corpus.rows("shard_index", ("uri", "sample_offsets")) if str(path).endswith(row["uri"])]
    change_bytes(path, lambda data: data[: row["sample_offsets"][1]])
    fit_index(corpus, path)


def other_split(corpus: Corpus) -> None:
    copies = iter(("train", "validation"))
    first = next(corpus.rows("shard_index", ("origins",)))["origins"]
    rewrite(corpus, "shard_index", lambda row: row | {"split": next(copies), "origins": first})


def one_sha(row: Row) -> Row:
    return row | {"origins": [origin | {"sha256": "same"} for origin in row["origins"]]}


def part(corpus: Corpus, name: str) -> Path:
    return Path(corpus.made[name].uri) / artifact.part_name(0)


def break_manifest(corpus: Corpus) -> None:
    path = Path(corpus.made["ledger"].uri) / artifact.MANIFEST
    path.write_text('"rows": 6'.join(path.read_text().rsplit('"rows": 5', 1)))


def publish(corpus: Corpus, name: str, data: bytes = b"x") -> None:
    store.publish(store.join(corpus.data_root, name), data)


def forget_robots(corpus: Corpus) -> None:
    answer(corpus, hops=[hop(robots_sha256="ab" * 32)])


def add_link(corpus: Corpus) -> None:
    path = tars(corpus)[0]
    with tarfile.open(path, "a", format=tarfile.USTAR_FORMAT) as tar:
        link = tarfile.TarInfo("evil.flac")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    fit_index(corpus, path)


DAY_MS = 24 * 3_600_000
DAMAGES: list[tuple[str, str, Callable[[Corpus], None]]] = [
    ("I1", "has state 'lost'", rows("ledger", lambda row: row | {"state": "lost"})),
    ("I1", "the ledger accepts 8 windows, the shards have 4", rows("ledger", lambda row: row | {"num_kept": 2})),
    ("I1", "not accepted", rows("ledger", lambda row: row | {"state": "opted_out"})),
    ("I1", "has other candidates", rows("candidate", lambda row: row | {"candidate_id": "x"})),
    ("I2", "is there more than once", rows("shard_index", lambda row: row | {"segment_ids": [row["uri"], "twice"]})),
    ("I2", "audio same is of more than one recording", rows("shard_index", one_sha)),
    ("I3", "has another sha256 than its index", lambda corpus: change_bytes(tars(corpus)[0], flip)),
    ("I3", "bytes; its index says", lambda corpus: change_bytes(tars(corpus)[0], lambda data: data[:-1])),
    ("I3", "is missing at", lambda corpus: tars(corpus)[0].unlink()),
    ("I3", "durations do not add up", rows("shard_index", lambda row: row | {"duration_ms": 1})),
    ("I3", "contradicts itself", rows("shard_index", lambda row: row | {"num_samples": 3})),
    ("I3", "has another sha256 than its manifest", lambda corpus: change_bytes(part(corpus, "ledger"), flip)),
    ("I3", "is missing", lambda corpus: part(corpus, "candidate").unlink()),
    ("I3", "counts 6 rows", break_manifest),
    ("I4", "is in no manifest", lambda corpus: tars(corpus)[0].with_name("9.tar").write_bytes(b"") and None),
    ("I5", "cannot be read to its end", cut_tar),
    ("I5", "has 1 samples, not the 2", cut_tar_between_members),
    ("I5", "in more than one place", tar_damage(lambda members: [*members, members[0]])),
    ("I5", "with members ['json']", tar_damage(lambda members: members[1:])),
    ("I5", "not the 2 of its index in their order", tar_damage(lambda members: members[2:] + members[:2])),
    ("I5", "is no plain file", add_link),
    ("I5", "has no JSON", tar_damage(lambda members: [members[0], (members[1][0], b"{"), *members[2:]])),
    ("I7", "is disallowed to sotto", lambda corpus: answer(corpus, robots=b"User-agent: *\nDisallow: /transcribe/")),
    ("I7", "with the verdict None", lambda corpus: answer(corpus, hops=[hop(robots_verdict=None)])),
    ("I7", "with the verdict 'robots'", lambda corpus: answer(corpus, hops=[hop(robots_verdict="robots")])),
    ("I7", "of the day before", lambda corpus: answer(corpus, hops=[hop(robots_checked_ms=NOON_MS - DAY_MS)])),
    ("I7", "of the day before", lambda corpus: answer(corpus, hops=[hop(robots_checked_ms=NOON_MS + 1)])),
    ("I7", "that is not stored", forget_robots),
    ("I7", "nothing says how", lambda corpus: answer(corpus, hops=[])),
    ("I7", "is no answer", lambda corpus: publish(corpus, "blobs/by-url/b.json", b"{")),
    ("I8", "no public address", lambda corpus: answer(corpus, hops=[hop(peer="127.0.0.1:80")])),
    ("I8", "no public address", lambda corpus: answer(corpus, hops=[hop(peer="[64:ff9b::7f00:1]:80")])),
    ("I9", "lacks ['license']", tar_damage(lambda members: [(name, content.replace(b'"license"', b'"licence"'))
                                                            for name, content in members])),
    ("I9", "lacks ['audio_url']", sample_json(audio_url="")),
    ("I9", "names no checks", rows("shard_index", lambda row: row | {"decision_fingerprint": "other"})),
    ("I9", "does not say where", rows("shard_index", lambda row: row | {"origins": row["origins"][1:]})),
    ("I10", "ms of audio; it says 321 ms", sample_json(duration_ms=321)),
    ("I10", "has a cue from 0 to 9999 ms", sample_json(cues=[[0, 9999, "x"]])),
    ("I10", "does not decode", tar_damage(lambda members: [(members[0][0], b"fLaC"), *members[1:]])),
    ("I12", "is in more than one split", other_split),
    ("I13", "holds https://a.test/ with credentials", sample_json(page_url="https://me:pw@a.test/")),
    ("I13", "ledger row", rows("ledger", lambda row: row | {"page_url": "https://a.test/?token=1"})),
    ("I13", "reports/r/report.html", lambda corpus: publish(corpus, "reports/r/report.html", b"hf_" + b"a" * 34)),
]  # fmt: skip


@pytest.mark.parametrize(("invariant", "words", "damage"), DAMAGES, ids=[f"{name} {why}" for name, why, _ in DAMAGES])
def test_a_damage_is_found_by_its_invariant(
    tmp_path: Path, invariant: str, words: str, damage: Callable[[Corpus], None]
) -> None:
    corpus = make(tmp_path)
    damage(corpus)
    verdict = judged(corpus)[invariant]
    assert verdict.num_bad >= 1
    assert any(words in line for line in verdict.first), verdict.first


def test_nothing_else_is_judged_of_a_corpus_whose_tables_are_damaged(tmp_path: Path) -> None:
    corpus = make(tmp_path)
    part(corpus, "candidate").unlink()
    found = judged(corpus)
    assert list(found) == ["I3"] and found["I3"].notes == ("1 damaged corpus: the other invariants were not judged",)


def test_what_is_allowed_but_worth_knowing_is_noted(tmp_path: Path) -> None:
    corpus = make(tmp_path)
    rewrite(corpus, "ledger", lambda row: row | {"license": None})
    own = hop(url="http://own.test/1", peer="127.0.0.1:80", robots_sha256=None)
    answer(corpus, hops=[own])
    (Path(corpus.made["ledger"].uri) / "part-00000.parquet.tmp-123").write_bytes(b"")
    found = judged(corpus, tokens=Tokens(is_passed_over=True))
    assert [verdict.invariant for verdict in found.values() if verdict.num_bad] == []
    assert found["I9"].notes == ("4 accepted recordings whose source states no licence",)
    assert found["I8"].notes == ("1 connections to your own private hosts",)
    assert found["I7"].notes == ("1 requests to hosts without a robots.txt",)
    assert found["I4"].notes[0].startswith("1 temporary files older than a day")
    assert found["I11"].notes[0].startswith("1 samples of more than 448 tokens")


@pytest.mark.parametrize(("total", "prompt"), [(449, 0), (300, 225)])
def test_a_sample_that_is_trained_on_with_too_many_tokens_is_found(tmp_path: Path, total: int, prompt: int) -> None:
    verdict = judged(make(tmp_path), tokens=Tokens(total=total, prompt=prompt))["I11"]
    assert verdict.num_bad == verdict.num_checked == 4
    assert verdict.first[0].endswith(f"is trained on with {total} tokens, {prompt} of them before it")


def test_a_shard_that_is_not_the_same_when_cut_again_is_named(tmp_path: Path) -> None:
    corpus = make(tmp_path)
    verdict = judged(corpus, change=flip)["I6"]
    assert (verdict.num_checked, verdict.num_bad) == (2, 2)
    assert verdict.first[0] == "shard train-no_speech-und-000000 has other bytes when it is cut again"
    gone = judged(corpus, change=lambda data: None)["I6"]
    assert gone.num_bad == 0 and gone.notes == (
        "2 shards that cannot be cut again: their recordings are no longer stored",
    )


def test_as_many_shards_are_cut_again_as_asked_for_at_even_distances(tmp_path: Path) -> None:
    seen: list[bytes] = []
    verdict = judged(make(tmp_path), change=lambda data: seen.append(data) or data, most_remade=1)["I6"]
    assert verdict.num_checked == len(seen) == 1 and verdict.num_bad == 0
    assert verdict.notes == ("1 of 2 shards were cut again; remake=null takes all",)


def test_a_request_for_robots_txt_needs_no_verdict_and_a_refused_one_was_not_made(tmp_path: Path) -> None:
    corpus = make(tmp_path)
    robots = hop(url="http://tones.test/robots.txt", robots_verdict=None)
    refused = hop(http_status=None, peer=None, robots_verdict="robots")
    answer(corpus, hops=[robots, refused])
    assert judged(corpus)["I7"].num_bad == 0
