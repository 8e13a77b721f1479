"""Lhotse manifests become recordings with all that is said in them; what is not the stored file is a row."""

from __future__ import annotations

import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from pipeline import store
from pipeline.errors import UserError
from pipeline.segment import captions
from pipeline.sources import stored
from pipeline.sources.lhotse import LhotseSource
from tests.pipeline.sources.stored_places import cues, list_all, statuses, write_lines

Row = dict[str, Any]


# As lhotse 1.33 writes them (to_file, 2026-11).
def recording(key: str, source: str = "a.wav", kind: str = "file", **more: Any) -> Row:
    sources = [{"type": kind, "channels": [0], "source": source}]
    return {"id": key, "sources": sources, "sampling_rate": 16000, "num_samples": 160000, "duration": 10.0, **more}


def supervision(key: str, start: Any, duration: Any, text: str = "hello there", **more: Any) -> Row:
    row = {"id": f"{key}-{start}", "recording_id": key, "start": start, "duration": duration, "channel": 0}
    return {**row, "text": text, "language": "English", "speaker": "s", "custom": {"secret": "left out"}, **more}


def cut(about: Row, start: float, *supervisions: Row, **more: Any) -> Row:
    row = {"id": "c", "start": start, "duration": 5.0, "channel": 0, "supervisions": list(supervisions)}
    return {**row, "recording": about, "type": "MonoCut", **more}


def pair(root: Path, recordings: list[Row | str], supervisions: list[Row | str], name: str = "") -> LhotseSource:
    write_lines(root / f"x_recordings_{name}.jsonl.gz", recordings)
    write_lines(root / f"x_supervisions_{name}.jsonl.gz", supervisions)
    return LhotseSource(root=str(root))


def test_a_recordings_supervisions_are_its_caption(tmp_path: Path) -> None:
    said = [supervision("r", 4.5, 1.0, "second"), supervision("r", 1.0, 2.5, "first <b>")]
    [found] = list_all(pair(tmp_path, [recording("r")], said, name="dev-clean"))
    assert cues(found) == [(1.0, 3.5, "first <b>"), (4.5, 5.5, "second")]
    assert (found.audio_url, found.declared_lang, found.declared_split) == (str(tmp_path / "a.wav"), "en", "validation")
    assert (found.text_format, found.declared_duration_ms, found.guid) == ("json", 10_000, "r")
    assert b"left out" not in (found.text_inline or b"")


def test_the_caption_reader_reads_what_is_written(tmp_path: Path) -> None:
    [found] = list_all(pair(tmp_path, [recording("r")], [supervision("r", 1.0, 2.5, "one & two, three")]))
    caption = captions.parse(found.text_inline or b"")
    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in caption.cues] == [(1000, 3500, "one & two, three")]


def test_cuts_of_one_recording_are_one_candidate_at_its_own_times(tmp_path: Path) -> None:
    about = recording("r")
    rows = [
        cut(about, 5.0, supervision("r", -0.5, 1.0, "begins before its cut")),
        cut(about, 0.0, supervision("r", 1.0, 1.0, "first"), supervision("r", 4.5, 1.0, "begins before its cut")),
        cut(recording("other", "b.wav"), 0.0, supervision("other", 0.0, 1.0, "another")),
    ]
    write_lines(tmp_path / "cuts_test.jsonl", rows)
    one, other = list_all(LhotseSource(root=str(tmp_path / "cuts_test.jsonl")))
    assert cues(one) == [(1.0, 2.0, "first"), (4.5, 5.5, "begins before its cut")]
    assert (cues(other), other.declared_split) == ([(0.0, 1.0, "another")], "test")


def test_a_mixed_cut_gives_the_audio_it_was_mixed_from(tmp_path: Path) -> None:
    tracks = [
        {"cut": cut(recording("r"), 2.0, supervision("r", 0.0, 1.0)), "type": "MonoCut", "offset": 0.0},
        {"cut": {"id": "p", "duration": 3.0, "type": "PaddingCut"}, "type": "PaddingCut", "offset": 5.0},
    ]
    write_lines(tmp_path / "cuts.jsonl", [{"id": "m", "tracks": tracks, "type": "MixedCut"}])
    [found] = list_all(LhotseSource(root=str(tmp_path)))
    assert cues(found) == [(2.0, 3.0, "hello there")]


def test_each_file_of_a_recording_has_what_is_said_on_its_channel(tmp_path: Path) -> None:
    sources = [{"type": "file", "channels": [number], "source": f"{number}.wav"} for number in (0, 1)]
    said = [supervision("r", 0.0, 1.0, "left"), supervision("r", 1.0, 1.0, "right", channel=1)]
    said.append(supervision("r", 2.0, 1.0, "both", channel=[0, 1]))
    left, right = list_all(pair(tmp_path, [recording("r", sources=sources)], said))
    assert [[text for _, _, text in cues(found)] for found in (left, right)] == [["left", "both"], ["right", "both"]]


@pytest.mark.parametrize(
    ("row", "status", "detail"),
    [
        (recording("r", "sox a.mp3 -t wav - |", "command"), "unsupported_source", "type 'command'; only files"),
        (recording("r", transforms=[{"name": "Speed"}]), "transformed", r"changed by \['Speed'\]"),
        (recording("r", "../../etc/passwd"), "outside_root", "lies outside .*; set source.audio_root"),
        (recording("r", "/etc/passwd"), "outside_root", "lies outside"),
        (recording("r", "s3://elsewhere/a.wav"), "outside_root", "lies outside"),
        (recording("r", "a\0.wav"), "outside_root", "is no path"),
        (recording("r", sources=[]), "bad_candidate", "no sources"),
        (recording("r", sources="a.wav"), "bad_candidate", "no sources"),
    ],
)  # fmt: skip
def test_audio_that_is_not_to_be_had_is_a_row_that_says_why(tmp_path: Path, row: Row, status: str, detail: str) -> None:
    [found] = list_all(pair(tmp_path, [row], [supervision("r", 0.0, 1.0)]))
    assert (found.status, found.audio_url) == (status, "")
    with pytest.raises(AssertionError, match=detail):
        raise AssertionError(found.status_detail)


def test_a_link_out_of_the_folder_is_not_followed_but_may_be_allowed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.wav").write_bytes(b"x")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").symlink_to(tmp_path / "elsewhere" / "a.wav")
    pair(tmp_path / "in", [recording("r")], [supervision("r", 0.0, 1.0)])
    assert statuses(list_all(LhotseSource(root=str(tmp_path / "in")))) == {"outside_root": 1}
    [found] = list_all(LhotseSource(root=str(tmp_path / "in"), audio_root=str(tmp_path)))
    assert found.audio_url == str(tmp_path / "elsewhere" / "a.wav")


def test_addresses_on_the_web_and_times_that_do_not_move_are_taken(tmp_path: Path) -> None:
    row = recording("r", "https://h.test/a.mp3", "url", transforms=[{"name": "Resample"}])
    [found] = list_all(pair(tmp_path, [row], [supervision("r", 0.0, 1.0)]))
    assert found.audio_url == "https://h.test/a.mp3"


@pytest.mark.parametrize("start", [-1, "x", None, [1], 1e300, 10**400])
def test_impossible_times_are_counted_not_believed(tmp_path: Path, start: Any) -> None:
    rows = [recording("r"), recording("s", "b.wav")]
    said = [supervision("r", start, 1.0), supervision("s", start, 1.0), supervision("s", 1.0, 1.0)]
    found = list_all(pair(tmp_path, rows, said))
    assert [row.status for row in found] == ["bad_times", "ok"]
    assert cues(found[1]) == [(1.0, 2.0, "hello there")]


def test_nan_deep_and_broken_lines_are_rows_that_name_their_line(tmp_path: Path) -> None:
    deep = '{"id":' * 100_000
    lines = ["{broken", '{"id": "r", "duration": NaN}', deep, "[1]", json.dumps(recording("r")), json.dumps({"id": 7})]
    found = list_all(pair(tmp_path, lines, [supervision("r", 0.0, 1.0), "{}", supervision("gone", 0.0, 1.0)]))
    assert statuses(found) == {"bad_candidate": 6, "ok": 1, "no_recording": 1}
    details = {row.page_url.rpartition("#")[2]: row.status_detail for row in found if row.status == "bad_candidate"}
    assert "NaN is no number" in str(details["line=2"])
    assert sum(row.page_url.endswith("#line=2") for row in found) == 2  # the supervision without recording_id, too
    assert "nested too deep" in str(details["line=3"])


def test_a_damaged_manifest_keeps_what_came_before(tmp_path: Path) -> None:
    source = pair(tmp_path, [recording("r"), recording("s", "b.wav")], [supervision("r", 0.0, 1.0)])
    path = tmp_path / "x_recordings_.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-12])
    found = list_all(source)
    assert {"ok", "bad_candidate"} <= set(statuses(found))
    assert any("the file ends here" in str(row.status_detail) for row in found)


def test_a_manifest_that_is_a_bomb_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.unpacked.FREE_BYTES", 1 << 20)
    write_lines(tmp_path / "cuts.jsonl.gz", [" " * (32 << 20)])
    [found] = list_all(LhotseSource(root=str(tmp_path)))
    assert found.status_detail is not None
    assert "unpacks to more than" in found.status_detail


def test_the_parts_of_a_large_manifest_give_what_the_whole_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [recording(f"r{number}", f"{number}.wav") for number in range(200)]
    said = [supervision(f"r{number % 200}", number // 200, 1.0, f"text {number}") for number in range(600)]
    random.Random(0).shuffle(said)
    source = pair(tmp_path, [*rows, "{"], said)
    whole = list_all(source)
    monkeypatch.setattr(stored, "PART_BYTES", 10_000)
    seeds = source.seeds(lambda url: pytest.fail())
    assert len(seeds) > 3
    assert all(seed.is_large for seed in seeds)
    parts = list_all(source)
    assert sorted(map(repr, parts)) == sorted(map(repr, whole))
    assert all(len(cues(row)) == 3 for row in parts if row.status == "ok")


def test_memory_is_that_of_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        cut(recording(f"r{number}"), 0.0, supervision(f"r{number}", 0.0, 1.0, "word " * 20)) for number in range(4_000)
    ]
    write_lines(tmp_path / "cuts.jsonl", rows)
    monkeypatch.setattr(stored, "PART_BYTES", 100_000)
    source = LhotseSource(root=str(tmp_path))
    seed = source.seeds(lambda url: pytest.fail())[0].url
    tracemalloc.start()
    assert 50 < sum(1 for _ in source.find(seed, lambda url: pytest.fail())) < 1000
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_mistakes_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no Lhotse manifest; expected .*recordings.*; name one of the files"):
        list_all(LhotseSource(root=str(tmp_path)))
    with pytest.raises(UserError, match="'/nowhere' is not there; expected a folder of Lhotse manifests"):
        list_all(LhotseSource(root="/nowhere"))
    with pytest.raises(UserError, match="is an address on the web; expected a folder of Lhotse"):
        list_all(LhotseSource(root="https://h.test/cuts.jsonl"))


def test_manifests_in_a_bucket_are_read_with_audio_beside_them(bucket: str) -> None:
    rows = [cut(recording("r", "audio/a.wav"), 0.0, supervision("r", 0.0, 1.0)), cut(recording("s", "../b.wav"), 0.0)]
    store.publish(f"{bucket}/m/cuts.jsonl", "\n".join(map(json.dumps, rows)).encode())
    found, outside = list_all(LhotseSource(root=f"{bucket}/m"))
    assert (found.audio_url, found.status) == (f"{bucket}/m/audio/a.wav", "ok")
    assert outside.status == "outside_root"
