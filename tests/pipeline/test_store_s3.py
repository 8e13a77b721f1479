"""The store and the artifacts work on s3:// as on a disk, against a local S3 server."""

from __future__ import annotations

from pipeline import artifact, store, tables
from pipeline.artifact import Artifact
from pipeline.schema import TIMING

ROWS = [{"segment_id": "a:0", "chars_per_s": 12.5, "overrun_ms": 0, "max_cue_ms": None, "alignment_confidence": None}]


def test_bytes_blobs_and_ranges_come_back(bucket: str) -> None:
    uri = store.join(bucket, "a", "b.bin")
    assert not store.exists(uri)
    store.publish(uri, b"0123456789")
    assert (store.read_bytes(uri), store.read_range(uri, 2, 5), store.size(uri)) == (b"0123456789", b"234", 10)
    assert store.list_names(store.join(bucket, "a")) == ["b.bin"]
    digest = store.put_blob(bucket, b"sound")
    assert store.read_bytes(store.blob_uri(bucket, digest)) == b"sound"
    assert [name for name, written_s in store.walk(bucket) if written_s > 0] == ["a/b.bin", f"{digest[:2]}/{digest}"]
    assert store.remove(uri) and not store.exists(uri)


def test_an_artifact_counts_only_once_its_manifest_is_there(bucket: str) -> None:
    place = Artifact(root_uri=bucket, name="timing", fingerprint="f" * 16)
    assert artifact.published_units(place) == set()
    artifact.publish_unit(place, 0, {0: tables.from_rows(ROWS, TIMING)}, ())
    assert artifact.published_units(place) == {0}
    assert not artifact.is_complete(place)
    artifact.publish_manifest(place, {"name": "timing"}, 1)
    assert artifact.is_complete(place)
    assert artifact.read_all(place).to_pylist() == ROWS
    assert artifact.previous_identities(bucket, "timing") == [{"name": "timing"}]
