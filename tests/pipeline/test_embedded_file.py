"""Files inside tables and tars are read by their addresses alone, and nothing else is."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import embedded_file, store

AUDIO = [{"bytes": b"sound %d" % number, "path": f"{number}.wav"} for number in range(100)]


def table(path: Path) -> str:
    columns = {"audio": AUDIO, "raw": [row["bytes"] for row in AUDIO], "text": ["x"] * 100}
    pq.write_table(pa.table(columns), path, row_group_size=30)
    return str(path)


def tar(path: Path, **members: bytes) -> str:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    return str(path)


@pytest.mark.parametrize("row", [0, 29, 30, 99])
@pytest.mark.parametrize("column", ["audio", "raw"])
def test_a_cell_is_read_from_any_row_group(tmp_path: Path, column: str, row: int) -> None:
    address = embedded_file.in_table(table(tmp_path / "t #1.parquet"), column, row)
    assert embedded_file.read(address) == b"sound %d" % row


@pytest.mark.parametrize("name", ["a.wav", "deep/" * 40 + "ä #&=.wav", "x" * 300])
def test_a_member_is_read_from_its_place(tmp_path: Path, name: str) -> None:
    path = tar(tmp_path / "t.tar", first=b"1", **{name: b"sound"}, last=b"2")
    with tarfile.open(path) as file:
        at = file.getmember(name).offset
    assert embedded_file.read(embedded_file.in_tar(path, name, at)) == b"sound"


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("t.parquet#column=audio&row=100", "no row 100"),
        ("t.parquet#column=audio&row=-1", "no row -1"),
        ("t.parquet#column=none&row=1", "cannot be read"),
        ("t.parquet#column=text&row=1", "the cell holds str, no bytes"),
        ("t.tar#column=audio&row=1", "cannot be read"),
        ("t.tar#member=b&at=0", "no file 'b' starts there"),
        ("t.tar#member=a&at=512", "cannot be read"),
        ("t.tar#member=link&at=1024", "no file 'link' starts there"),
        ("t.tar#member=a&at=x", "invalid literal"),
        ("cut.tar#member=a&at=0", "cannot be read"),
        ("gone.tar#member=a&at=0", "No such file"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_what(tmp_path: Path, place: str, problem: str) -> None:
    table(tmp_path / "t.parquet")
    whole = Path(tar(tmp_path / "t.tar", a=b"x" * 10)).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:515])
    with pytest.raises(OSError, match=problem):
        embedded_file.read(f"{tmp_path}/{place}")


def test_only_such_addresses_are_taken_for_embedded() -> None:
    assert embedded_file.is_embedded("x.parquet#column=audio&row=3")
    assert embedded_file.is_embedded("s3://b/x.tar#member=a.wav&at=0")
    others = ("talk #3.mp3", "x.mp3", "https://h.test/a.mp3#t=10", "a#row=3", "a#member=x&at=1&more=2")
    assert not any(map(embedded_file.is_embedded, others))


def test_files_in_a_bucket_are_read(bucket: str, tmp_path: Path) -> None:
    store.publish(f"{bucket}/t.parquet", Path(table(tmp_path / "t.parquet")).read_bytes())
    store.publish(f"{bucket}/t.tar", Path(tar(tmp_path / "t.tar", a=b"sound")).read_bytes())
    assert embedded_file.read(embedded_file.in_table(f"{bucket}/t.parquet", "audio", 42)) == b"sound 42"
    assert embedded_file.read(embedded_file.in_tar(f"{bucket}/t.tar", "a", 0)) == b"sound"
