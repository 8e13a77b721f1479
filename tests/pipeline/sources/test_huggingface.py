"""Dataset folders give utterances with their text, from metadata, tables and tars, with licence and split."""

from __future__ import annotations

import io
import json
import tarfile
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import embedded_file, store
from pipeline.errors import UserError
from pipeline.sources import huggingface
from pipeline.sources.dataset_card import read_card
from pipeline.sources.found import Found
from pipeline.sources.huggingface import HuggingFaceSource
from tests.pipeline.sources.stored_places import cues, list_all, no_web, statuses, write_lines

CARD = """---
license: cc-by-4.0
language:
- sw
pretty_name: 'Talks'
---
# Talks
license: none of this
"""


def listed(root: Path, **settings: Any) -> list[Found]:
    return list_all(HuggingFaceSource(root=str(root), **settings))


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def embedded(path: Path, num: int = 3, **columns: list[Any]) -> None:
    """Write a table as the hub does: the audio's bytes and name in a struct."""
    audio = [{"bytes": b"sound %d" % number, "path": f"{number}.wav"} for number in range(num)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"audio": audio, **columns}), path, row_group_size=2)


def tar(path: Path, members: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))


def test_metadata_names_the_audio_beside_it(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(CARD)
    write(
        tmp_path,
        **{
            "data__train__metadata.csv": "file_name,transcription\na.wav,habari yako\nsub/b.wav,\n",
            "data__test__metadata.jsonl": '{"file_name": "c.wav", "text": "moja", "duration": 1.5, "language": "en"}\n',
        },
    )
    test, train, empty = listed(tmp_path)
    assert (train.audio_url, train.text_inline) == (str(tmp_path / "data/train/a.wav"), b"habari yako")
    assert (train.text_format, train.declared_lang, train.declared_split) == ("text", "sw", "train")
    assert train.license == "cc-by-4.0"
    assert train.license_evidence == f"{tmp_path}/README.md: license: cc-by-4.0"
    assert (cues(test), test.declared_lang, test.declared_split) == ([(0.0, 1.5, "moja")], "en", "test")
    assert (empty.status, str(tmp_path / "data/train/sub/b.wav") in str(empty.status_detail)) == ("no_text", True)


def test_metadata_may_be_parquet_and_its_audio_in_folders_of_splits(tmp_path: Path) -> None:
    rows = [{"file_name": f"{split}/a.wav", "sentence": "words"} for split in ("train", "validation", "other")]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "metadata.parquet")
    assert [row.declared_split for row in listed(tmp_path)] == ["train", "validation", None]


def test_audio_inside_a_table_is_read_by_its_address(tmp_path: Path) -> None:
    embedded(tmp_path / "data/train-00000-of-00001.parquet", text=["one", "two", None], lang=["en", "es", "en"])
    rows = listed(tmp_path)
    assert [row.text_inline for row in rows] == [b"one", b"two", None]
    assert [row.status for row in rows] == ["ok", "ok", "no_text"]
    assert [embedded_file.read(row.audio_url) for row in rows[:2]] == [b"sound 0", b"sound 1"]
    assert [(row.declared_split, row.declared_lang) for row in rows[:2]] == [("train", "en"), ("train", "es")]


def test_a_large_table_is_cut_and_each_row_keeps_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded(tmp_path / "train.parquet", 11, text=[f"word {number}" for number in range(11)])
    whole = listed(tmp_path)
    monkeypatch.setattr(huggingface, "ROWS_PER_PIECE", 4)
    monkeypatch.setattr(huggingface, "BATCH_ROWS", 3)
    source = HuggingFaceSource(root=str(tmp_path))
    assert len(source.seeds(no_web)) == 3
    parts = list_all(source)
    assert parts == whole
    assert [embedded_file.read(row.audio_url) for row in parts] == [b"sound %d" % number for number in range(11)]


def test_listing_a_table_does_not_read_its_audio(tmp_path: Path) -> None:
    audio = [{"bytes": bytes(1 << 20), "path": None} for _ in range(24)]
    table = pa.table({"audio": audio, "text": ["x"] * 24})
    pq.write_table(table, tmp_path / "t.parquet", compression="none", use_dictionary=False)
    before = pa.default_memory_pool().bytes_allocated()
    tracemalloc.start()
    assert len(listed(tmp_path)) == 24
    assert tracemalloc.get_traced_memory()[1] + pa.default_memory_pool().bytes_allocated() - before < 8 << 20
    tracemalloc.stop()


def test_the_text_written_as_it_was_said_is_preferred(tmp_path: Path) -> None:
    embedded(tmp_path / "t.parquet", 1, transcription=["it is five"], raw_transcription=["It is 5."], note=["no"])
    assert [row.text_inline for row in listed(tmp_path)] == [b"It is 5."]
    assert [row.text_inline for row in listed(tmp_path, text_column="note")] == [b"no"]


def test_samples_in_a_tar_have_audio_and_text_or_json(tmp_path: Path) -> None:
    members = {
        "d/1.wav": b"sound 1",
        "d/1.txt": "één".encode(),
        "d/2.json": json.dumps({"text": "two", "duration": 2, "language": "nl", "license": "CC0-1.0"}).encode(),
        "d/2.mp3": b"sound 2",
        "d/3.json": b"{",
        "d/3.wav": b"sound 3",
        "d/4.txt": b"no audio",
        "d/5.wav": b"sound 5",
    }
    tar(tmp_path / "test-0000.tar", members)
    one, two, three, four, five = listed(tmp_path, language="de")
    assert (embedded_file.read(one.audio_url), one.text_inline, one.declared_lang) == (b"sound 1", "één".encode(), "de")
    assert (embedded_file.read(two.audio_url), cues(two), two.declared_lang) == (b"sound 2", [(0.0, 2.0, "two")], "nl")
    assert (two.license, one.declared_split) == ("CC0-1.0", "test")
    assert [row.status for row in (three, four, five)] == ["bad_candidate", "bad_candidate", "no_text"]


def test_damaged_tars_and_tables_are_rows(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", {"1.wav": b"x" * 600, "1.txt": b"one", "2.wav": b"x" * 600})
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:3100])
    (tmp_path / "a2.tar").write_bytes(whole[:3000])
    (tmp_path / "b.tar").write_bytes(b"no tar at all")
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    rows = listed(tmp_path)
    assert [row.status for row in rows] == ["ok", "bad_archive", "ok", "bad_archive", "bad_archive", "bad_archive"]
    details = [row.status_detail for row in rows if row.status != "ok"]
    assert details[:2] == [
        "it ends inside '2.wav', after 2 members",
        "it has a damaged header, and is not read further",
    ]


@pytest.mark.parametrize("name", ["../x.wav", "/etc/passwd", "s3://b/x.wav", "link.wav"])
def test_names_that_lead_out_of_the_dataset_are_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "d"
    write_lines(root / "metadata.jsonl", [{"file_name": name, "text": "x"}, {"file_name": 7, "text": "x"}, "{"])
    (root / "link.wav").symlink_to(tmp_path / "x.wav")
    rows = listed(root)
    assert rows[0].status == "outside_root"
    assert statuses(rows[1:]) == {"ok": 1, "bad_candidate": 1}


def test_the_hubs_cache_of_links_is_read_where_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/1").write_bytes(b"sound")
    root = tmp_path / "snapshots/rev"
    write_lines(root / "metadata.jsonl", [{"file_name": "a.wav", "text": "x"}])
    (root / "a.wav").symlink_to(tmp_path / "blobs/1")
    [found] = listed(root, audio_root=str(tmp_path))
    assert found.audio_url == str(tmp_path / "blobs/1")


def test_a_csv_whose_quote_never_closes_ends_there(tmp_path: Path) -> None:
    write(tmp_path, **{"metadata.csv": 'file_name,text\na.wav,one\nb.wav,"' + "x\n" * 200_000})
    rows = listed(tmp_path)
    assert [row.status for row in rows] == ["ok", "bad_candidate"]
    assert "the file ends here" in str(rows[1].status_detail)


def test_many_rows_are_listed_one_by_one(tmp_path: Path) -> None:
    lines = "".join(f"{number}.wav,words {number}\n" for number in range(20_000))
    write(tmp_path, **{"metadata.csv": "file_name,text\n" + lines})
    [seed] = HuggingFaceSource(root=str(tmp_path)).seeds(no_web)
    assert sum(1 for _ in HuggingFaceSource(root=str(tmp_path)).find(seed.url, no_web)) == 20_000


@pytest.mark.parametrize(
    ("card", "license_", "lang"),
    [
        (CARD, "cc-by-4.0", "sw"),
        ("---\nlicense: [mit, cc0-1.0]\nlanguage: [en, sw]\n---\n", "mit AND cc0-1.0", None),
        ("---\nlicense: other\nlicense_name: my-own\nlicense_link: LICENSE\nlanguage: no\n---\n", "my-own", "no"),
        ("---\nlicense: {deep: 1}\nlanguage: multilingual\n---\n", None, None),
        ("---\nlicense: [unclosed\n---\n", None, None),
        ("license: cc0-1.0\n", None, None),
        ("---\n" + "[" * 50_000 + "\n---\n", None, None),
        ("---\na: &a [x, x]\nb: &b [*a, *a]\nlicense: *b\n---\n", None, None),
        ("", None, None),
    ],
)
def test_a_card_states_licence_and_only_language(
    tmp_path: Path, card: str, license_: str | None, lang: str | None
) -> None:
    (tmp_path / "README.md").write_text(card)
    stated = read_card(str(tmp_path))
    assert (stated.licence.name if stated.licence else None, stated.lang) == (license_, lang)


def test_a_dataset_in_a_bucket_is_read(bucket: str, tmp_path: Path) -> None:
    embedded(tmp_path / "t.parquet", 3, text=["one", "two", "three"])
    tar(tmp_path / "t.tar", {"1.wav": b"sound", "1.txt": b"four"})
    for name in ("t.parquet", "t.tar"):
        store.publish(f"{bucket}/d/{name}", (tmp_path / name).read_bytes())
    store.publish(f"{bucket}/d/metadata.csv", b"file_name,text\na/b.wav,five\n")
    store.publish(f"{bucket}/d/README.md", CARD.encode())
    rows = list_all(HuggingFaceSource(root=f"{bucket}/d"))
    assert sorted(row.text_inline or b"" for row in rows) == [b"five", b"four", b"one", b"three", b"two"]
    assert {row.license for row in rows} == {"cc-by-4.0"}
    assert rows[0].audio_url == f"{bucket}/d/a/b.wav"
    assert embedded_file.read(rows[2].audio_url) == b"sound 1"


def test_mistakes_say_what_is_expected(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["no audio"]}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match="holds no dataset of audio; expected metadata.csv.*read by source=folder"):
        listed(tmp_path)
