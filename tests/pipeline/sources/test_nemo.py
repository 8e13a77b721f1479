"""NeMo manifests become recordings with texts at their offsets, from files, shards and tars."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pipeline import embedded_file
from pipeline.errors import UserError
from pipeline.sources import stored
from pipeline.sources.nemo import NemoSource
from tests.pipeline.sources.stored_places import cues, list_all, no_web, statuses, write_lines

Row = dict[str, Any]


def utterance(name: str = "a.wav", text: str = "hello", duration: Any = 2.0, **more: Any) -> Row:
    return {"audio_filepath": name, "duration": duration, "text": text, **more}


def manifest(root: Path, *rows: Row | str, name: str = "train_manifest.json", **settings: Any) -> NemoSource:
    return NemoSource(root=str(write_lines(root / name, rows)), **settings)


def tar_of(path: Path, **members: bytes) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name.replace("__", "."))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_a_row_is_a_recording_whose_text_lasts_as_long(tmp_path: Path) -> None:
    [found] = list_all(manifest(tmp_path, utterance(lang="de", pnc="yes")))
    assert (found.audio_url, found.declared_lang, found.declared_split) == (str(tmp_path / "a.wav"), "de", "train")
    assert (cues(found), found.declared_duration_ms) == ([(0.0, 2.0, "hello")], 2000)
    assert found.page_url.endswith("train_manifest.json#line=1")


def test_rows_of_one_file_are_one_recording_wherever_they_stand(tmp_path: Path) -> None:
    rows = [utterance(text="second", offset=4.5), utterance("b.wav"), utterance(text="first", offset=1)]
    one, other = list_all(manifest(tmp_path, *rows))
    assert cues(one) == [(1.0, 3.0, "first"), (4.5, 6.5, "second")]
    assert cues(other) == [(0.0, 2.0, "hello")]


def test_a_translation_is_a_candidate_of_its_own_with_the_same_audio(tmp_path: Path) -> None:
    rows = [
        utterance(text="hallo", source_lang="de", target_lang="de", taskname="asr"),
        utterance(text="", answer="hello", source_lang="de", target_lang="en", taskname="ast"),
    ]
    spoken, translated = list_all(manifest(tmp_path, *rows))
    assert spoken.audio_url == translated.audio_url
    assert [(row.declared_lang, row.declared_text_lang) for row in (spoken, translated)] == [("de", None), ("de", "en")]
    assert (cues(spoken)[0][2], cues(translated)[0][2]) == ("hallo", "hello")


def test_text_without_a_duration_has_no_times(tmp_path: Path) -> None:
    [found] = list_all(manifest(tmp_path, utterance(duration=None)))
    assert (found.text_inline, found.text_format, found.declared_duration_ms) == (b"hello", "text", None)


@pytest.mark.parametrize(
    "times", [{"duration": -1}, {"duration": 0}, {"offset": -3}, {"duration": "x"}, {"offset": 1e12}]
)
def test_a_row_with_impossible_times_is_not_believed(tmp_path: Path, times: Row) -> None:
    [found] = list_all(manifest(tmp_path, {**utterance(), **times}))
    assert (found.status, found.audio_url) == ("bad_times", "")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("{", "bad_candidate"),
        ('{"text": "no audio"}', "bad_candidate"),
        ('{"audio_filepath": "a.wav", "duration": NaN}', "bad_candidate"),
        ('{"audio_filepath": ["a.wav"]}', "bad_candidate"),
        ('{"audio_filepath": "../a.wav"}', "outside_root"),
        ('{"audio_filepath": "/etc/passwd"}', "outside_root"),
        ('{"audio_filepath": "a.wav", "text": ""}', "no_text"),
    ],
)
def test_a_row_that_cannot_be_used_stays_a_row(tmp_path: Path, line: str, status: str) -> None:
    found = list_all(manifest(tmp_path, line, utterance("b.wav")))
    assert statuses(found) == {status: 1, "ok": 1}


def test_half_a_surrogate_pair_is_no_obstacle(tmp_path: Path) -> None:
    [found] = list_all(manifest(tmp_path, r'{"audio_filepath": "\ud800.wav", "text": "a\udfff", "duration": 1}'))
    assert cues(found) == [(0.0, 1.0, "a?")]
    assert found.audio_url.encode().endswith(b"?.wav")


def test_shards_are_read_each_on_its_own(tmp_path: Path) -> None:
    for number in range(12):
        write_lines(tmp_path / f"m_{number}.json", [utterance(f"{number}.wav")])
    source = NemoSource(root=str(tmp_path / "m__OP_0..11_CL_.json"))
    assert len(source.seeds(no_web)) == 12
    assert len(list_all(source)) == 12
    assert len(list_all(NemoSource(root=str(tmp_path / "m_{3..5}.json")))) == 3


def test_tarred_audio_is_found_in_its_shards_tar(tmp_path: Path) -> None:
    for number in range(2):
        rows = [
            utterance("x.wav", offset=0.0, shard_id=number),
            utterance("x-sub1.wav", "more", offset=2, shard_id=number),
        ]
        write_lines(tmp_path / f"m_{number}.json", rows)
        tar_of(tmp_path / f"audio_{number}.tar", other__wav=b"no", x__wav=b"sound %d" % number)
    tars = str(tmp_path / "audio__OP_0..1_CL_.tar")
    rows = list_all(NemoSource(root=str(tmp_path / "m__OP_0..1_CL_.json"), tarred_audio=tars))
    assert [embedded_file.read(row.audio_url) for row in rows] == [b"sound 0", b"sound 1"]
    assert [cues(row) for row in rows] == [[(0.0, 2.0, "hello"), (2.0, 4.0, "more")]] * 2


def test_one_manifest_may_name_the_tar_of_each_row(tmp_path: Path) -> None:
    for number in (3, 4):
        tar_of(tmp_path / f"audio_{number}.tar", x__wav=b"sound %d" % number)
    rows = [utterance("x.wav", shard_id=4), utterance("x.wav", shard_id=3), utterance("x.wav", shard_id=5)]
    source = manifest(
        tmp_path, *rows, utterance("y.wav", shard_id=3), tarred_audio=str(tmp_path / "audio__OP_3..4_CL_.tar")
    )
    found = list_all(source)
    assert [embedded_file.read(row.audio_url) for row in found if row.audio_url] == [b"sound 4", b"sound 3"]
    missing = [f"no tar of this manifest holds '{name}.wav'" for name in ("x", "y")]
    assert [row.status_detail for row in found if not row.audio_url] == missing


def test_a_tar_that_is_none_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"\x1f\x8b no tar")
    [found] = list_all(manifest(tmp_path, utterance(), tarred_audio=str(tmp_path / "a.tar")))
    assert found.status == "bad_archive"
    assert "a packed one has to be unpacked" in str(found.status_detail)


def test_a_damaged_tar_gives_what_comes_before_the_damage(tmp_path: Path) -> None:
    whole = tar_of(tmp_path / "a.tar", a__wav=b"sound", b__wav=b"x" * 600).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:1800])
    rows = list_all(manifest(tmp_path, utterance("a.wav"), utterance("b.wav"), tarred_audio=str(tmp_path / "a.tar")))
    assert {row.status for row in rows} == {"ok", "bad_archive"}
    assert [embedded_file.read(row.audio_url) for row in rows if row.audio_url] == [b"sound"]


def test_the_parts_of_a_large_manifest_keep_a_files_rows_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [utterance(f"{number % 50}.wav", f"text {number}", offset=number // 50 * 2) for number in range(500)]
    source = manifest(tmp_path, *rows)
    whole = list_all(source)
    monkeypatch.setattr(stored, "PART_BYTES", 5_000)
    assert len(source.seeds(no_web)) > 3
    assert sorted(map(repr, list_all(source))) == sorted(map(repr, whole))


def test_a_hundred_thousand_rows_take_seconds(tmp_path: Path) -> None:
    rows = [
        json.dumps(utterance(f"{number % 1000}.wav", "some words", offset=number // 1000 * 2))
        for number in range(100_000)
    ]
    found = list_all(manifest(tmp_path, *rows))
    assert (len(found), len(cues(found[0]))) == (1000, 100)


def test_mistakes_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not there; expected a NeMo manifest"):
        list_all(NemoSource(root=str(tmp_path / "none.json")))
    with pytest.raises(UserError, match="names no manifest; expected a file or a range _OP_0..N_CL_; mend it"):
        list_all(NemoSource(root=str(tmp_path / "m_{5..1}.json")))
    with pytest.raises(UserError, match="names 1000000 shards; expected 100000 at most; mend the range"):
        list_all(NemoSource(root="m_{0..999999}.json"))
    write_lines(tmp_path / "m_0.json", [])
    write_lines(tmp_path / "m_1.json", [])
    for number in range(3):
        tar_of(tmp_path / f"a_{number}.tar")
    with pytest.raises(UserError, match="names 3 tars for 2 manifests; expected one each, or one manifest for all"):
        list_all(NemoSource(root=str(tmp_path / "m_{0..1}.json"), tarred_audio=str(tmp_path / "a_{0..2}.tar")))
