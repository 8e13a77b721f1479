"""Tars are the same bytes for the same samples, and damage is found."""

from __future__ import annotations

import io
import tarfile

import pytest

from pipeline.errors import DataError
from pipeline.tar import TarBuilder, iter_members, read_sample


def build(samples: list[tuple[str, dict[str, bytes]]]) -> tuple[bytes, list[int]]:
    builder = TarBuilder()
    for key, members in samples:
        builder.add(key, members)
    return builder.finish(), builder.offsets


SAMPLES = [("aa_0", {"json": b"{}", "flac": b"x" * 700}), ("bb_30000", {"flac": b"", "json": b'{"a":1}'})]


def test_the_order_of_members_does_not_change_the_bytes() -> None:
    turned = [(key, dict(reversed(members.items()))) for key, members in SAMPLES]
    assert build(SAMPLES) == build(turned)


def test_tarfile_reads_what_we_write_as_plain_ustar() -> None:
    data, _ = build(SAMPLES)
    with tarfile.open(fileobj=io.BytesIO(data)) as file:
        infos = file.getmembers()
    assert [info.name for info in infos] == ["aa_0.flac", "aa_0.json", "bb_30000.flac", "bb_30000.json"]
    assert {(info.mtime, info.uid, info.mode) for info in infos} == {(0, 0, 0o644)}


def test_each_sample_is_read_from_its_offset_alone() -> None:
    data, offsets = build(SAMPLES)
    ends = [*offsets[1:], len(data)]
    read = [read_sample(data[start:end]) for start, end in zip(offsets, ends, strict=True)]
    assert read == [("aa_0", SAMPLES[0][1]), ("bb_30000", SAMPLES[1][1])]


def test_the_size_counted_while_building_is_the_size_written() -> None:
    builder = TarBuilder()
    builder.add("k", {"json": b"{}"})
    assert builder.num_bytes == len(builder.finish())


def foreign(kind: bytes, name: str) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as file:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        file.addfile(info)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (build(SAMPLES)[0][:900], "'aa_0.flac' is cut short; expected 700 bytes"),
        (b"x" * 1024, "damaged header"),
        (build(SAMPLES)[0].replace(b"aa_0", b"ab_0", 1), "damaged header .bad checksum."),
        (b"aa_0.json" + b"\0" * 115 + b"-0000000001" + b"\0" * 377, "damaged header .*is no octal number"),
        (foreign(tarfile.REGTYPE, "a" * 90 + "/" + "b" * 60 + ".json"), "not a plain sample file"),
        (foreign(tarfile.REGTYPE, "../up.json"), "not a plain sample file"),
        (foreign(tarfile.SYMTYPE, "link.json"), "not a plain sample file"),
        (foreign(tarfile.REGTYPE, "CAPITAL.json"), "not a plain sample file"),
    ],
)
def test_damage_and_foreign_members_are_errors(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(iter_members(data))


def test_a_range_with_two_samples_or_none_is_an_error() -> None:
    with pytest.raises(DataError, match="'aa_0' is followed by 'bb_30000'"):
        read_sample(build(SAMPLES)[0])
    with pytest.raises(DataError, match="holds no sample"):
        read_sample(b"\0" * 1024)
