"""Outputs named by what made them: `<root>/<name>/<fingerprint>/`, parts first, receipts next, manifest last.

A part counts only once its receipt is there; an artifact counts only once its manifest is there. Whatever else
lies in the folder is the remains of a killed attempt and is written over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import pyarrow as pa

from pipeline import schema, store, tables
from pipeline.errors import DataError

MANIFEST = "_MANIFEST.json"
RECEIPTS = "_receipts"
UNITS = "_units"
CONTENTS = "_contents"
CARDS: tuple[str, ...] = ("README.md", "croissant.json")  # beside shards, for people and programs; no parts
FINGERPRINT_CHARS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The receipt of one published part; `content` is a hash of its rows without the times of the run."""

    name: str
    rows: int
    sha256: str
    content: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A place for the parts of one output; complete once its manifest is published."""

    root_uri: str
    name: str
    fingerprint: str

    @property
    def uri(self) -> str:
        """Folder of the artifact."""
        return store.join(self.root_uri, self.name, self.fingerprint)


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Hash what makes an output: names, versions, configuration, inputs. Order of keys does not matter."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=FINGERPRINT_CHARS // 2).hexdigest()


def part_name(index: int) -> str:
    """Name of part number index."""
    return f"part-{index:05d}.parquet"


def is_complete(artifact: Artifact) -> bool:
    """Tell whether the manifest is there."""
    return store.exists(store.join(artifact.uri, MANIFEST))


def published_units(artifact: Artifact) -> set[int]:
    """List the units whose receipt is there, from one listing."""
    names = store.list_names(store.join(artifact.uri, RECEIPTS))
    return {int(name.removesuffix(".json")) for name in names if name.endswith(".json")}


def publish_unit(
    artifact: Artifact, unit: int, parts: Mapping[int, pa.Table], count_by: Sequence[str], partitions: int = 0
) -> None:
    """Publish the parts of a unit (part number to table), then the receipt that makes them count."""
    receipts = [asdict(_publish_part(artifact, number, table, count_by, partitions)) for number, table in parts.items()]
    store.publish(_receipt_uri(artifact, unit), _json_bytes({"parts": receipts}))


def remember_unit(artifact: Artifact, unit: int, key: str) -> None:
    """Note what a published unit was made from, so that an artifact to come can take it over."""
    note = {"fingerprint": artifact.fingerprint, "unit": unit}
    store.publish(_note_uri(artifact, key), _json_bytes(note))


def take_over_unit(artifact: Artifact, unit: int, key: str) -> bool:
    """Publish a map unit from the part another artifact of this name made from the same; False when none did."""
    if not store.exists(_note_uri(artifact, key)):
        return False
    note = json.loads(store.read_bytes(_note_uri(artifact, key)))
    other = Artifact(root_uri=artifact.root_uri, name=artifact.name, fingerprint=note["fingerprint"])
    if not store.exists(_receipt_uri(other, note["unit"])):
        return False
    (part,) = _read_receipt(other, note["unit"])
    uri = store.join(other.uri, part["name"])
    if not store.exists(uri):
        return False
    store.copy(uri, store.join(artifact.uri, part_name(unit)))
    store.publish(_receipt_uri(artifact, unit), _json_bytes({"parts": [part | {"name": part_name(unit)}]}))
    return True


def publish_manifest(artifact: Artifact, identity: Mapping[str, Any], num_units: int) -> dict[str, Any]:
    """Publish the manifest from the receipts of all units; the last write of an artifact."""
    parts = [part for unit in range(num_units) for part in _read_receipt(artifact, unit)]
    manifest: dict[str, Any] = {
        "name": artifact.name,
        "fingerprint": artifact.fingerprint,
        "identity": dict(identity),
        "rows": sum(part["rows"] for part in parts),
        "counts": _sum_counts(part["counts"] for part in parts),
        "parts": parts,
    }
    store.publish(store.join(artifact.uri, MANIFEST), _json_bytes(manifest))
    return manifest


def read_manifest(artifact: Artifact) -> dict[str, Any]:
    """Read the manifest; DataError when the artifact is not complete."""
    uri = store.join(artifact.uri, MANIFEST)
    if not store.exists(uri):
        raise DataError(
            f"artifact {artifact.name} {artifact.fingerprint} has no {MANIFEST}; "
            "expected a finished one; run ingest again"
        )
    return cast(dict[str, Any], json.loads(store.read_bytes(uri)))


def previous_identities(root_uri: str, name: str) -> list[dict[str, Any]]:
    """Return the identities of every finished artifact of a name, for saying why a new one is needed."""
    found = [
        Artifact(root_uri=root_uri, name=name, fingerprint=entry)
        for entry in store.list_names(store.join(root_uri, name))
    ]
    return [read_manifest(artifact)["identity"] for artifact in found if is_complete(artifact)]


def num_parts(artifact: Artifact) -> int:
    """Count the parts of a finished artifact."""
    return len(read_manifest(artifact)["parts"])


def part_contents(artifact: Artifact) -> list[str]:
    """Return for each part of a finished artifact what changes when its rows do."""
    # Manifests written before parts had a content hash name the file's: right, only less often equal.
    return [part.get("content", part["sha256"]) for part in read_manifest(artifact)["parts"]]


def with_same_rows(artifact: Artifact) -> Artifact:
    """Return the first finished artifact of this name that holds the same rows in the same parts, perhaps itself.

    What is made from it is then known already, whatever the run's times and settings were.
    """
    rows = fingerprint({"parts": part_contents(artifact)})
    uri = store.join(artifact.root_uri, CONTENTS, artifact.name, f"{rows}.json")
    if store.exists(uri):
        first = replace(artifact, fingerprint=json.loads(store.read_bytes(uri))["fingerprint"])
        if is_complete(first):
            return first
    store.publish(uri, _json_bytes({"fingerprint": artifact.fingerprint}))
    return artifact


def read_part(
    artifact: Artifact, index: int, columns: Sequence[str] | None = None, group: int | None = None
) -> pa.Table:
    """Read one part of a finished artifact, or one row group of it."""
    uri = store.join(artifact.uri, part_name(index))
    return tables.read(uri, columns) if group is None else tables.read_group(uri, group, columns)


def read_all(artifact: Artifact, columns: Sequence[str] | None = None) -> pa.Table:
    """Read every part of a finished artifact, in order."""
    parts = read_manifest(artifact)["parts"]
    return pa.concat_tables([tables.read(store.join(artifact.uri, part["name"]), columns) for part in parts])


def _publish_part(artifact: Artifact, number: int, table: pa.Table, count_by: Sequence[str], partitions: int) -> Part:
    data = tables.to_parquet(table, partitions)
    content = tables.digest(table, ignore=schema.run_times(table.schema))
    name = part_name(number)
    store.publish(store.join(artifact.uri, name), data)
    counts = {f"{column}:{value}": number for column in count_by for value, number in _value_counts(table, column)}
    digest = hashlib.sha256(data).hexdigest()
    return Part(name=name, rows=table.num_rows, sha256=digest, content=content, counts=counts)


def _value_counts(table: pa.Table, column: str) -> list[tuple[str, int]]:
    return sorted((str(pair["values"]), int(pair["counts"])) for pair in table[column].value_counts().to_pylist())


def _read_receipt(artifact: Artifact, unit: int) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], json.loads(store.read_bytes(_receipt_uri(artifact, unit)))["parts"])


def _receipt_uri(artifact: Artifact, unit: int) -> str:
    return store.join(artifact.uri, RECEIPTS, f"{unit:05d}.json")


def _note_uri(artifact: Artifact, key: str) -> str:
    return store.join(artifact.root_uri, UNITS, artifact.name, f"{key}.json")


def _sum_counts(counts: Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for key, value in count.items():
            total[key] = total.get(key, 0) + int(value)
    return dict(sorted(total.items()))


def _json_bytes(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False).encode()
