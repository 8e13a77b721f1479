"""Find recordings that repeat each other exactly: same bytes, same samples, or same long text.

Near duplicates (audio fingerprints, MinHash) are not found here yet.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline import unions

METHODS = ("exact_audio", "exact_pcm", "exact_text")
UNIQUE = "unique"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What one recording is compared by; a key that is None matches nothing. Higher quality is kept first."""

    recording_id: str
    keys: Mapping[str, str | None]
    quality: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A recording's place among its duplicates."""

    cluster_id: str
    representative_id: str
    method: str


def text_key(normalised: str, min_words: int) -> str | None:
    """Hash a whole caption; None when it is too short to be evidence (phrases recur in clean recordings)."""
    if len(normalised.split()) < min_words:
        return None
    return hashlib.blake2b(normalised.encode(), digest_size=16).hexdigest()


def match(signatures: Sequence[Signature]) -> dict[str, Match]:
    """Cluster recordings that share a key. The result does not depend on their order."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for signature in signatures:
        for method, key in signature.keys.items():
            if key is not None:
                groups[method, key].append(signature.recording_id)
    shared = {place: ids for place, ids in groups.items() if len(ids) > 1}
    parents = {signature.recording_id: signature.recording_id for signature in signatures}
    for ids in shared.values():
        for other in ids[1:]:
            unions.join(parents, ids[0], other)
    methods = _strongest_methods(shared)
    best = _representatives(signatures, parents)
    return {
        recording_id: Match(
            cluster_id=unions.root(parents, recording_id),
            representative_id=best[unions.root(parents, recording_id)],
            method=methods.get(recording_id, UNIQUE),
        )
        for recording_id in parents
    }


def _representatives(signatures: Sequence[Signature], parents: dict[str, str]) -> dict[str, str]:
    best: dict[str, Signature] = {}
    for signature in sorted(signatures, key=lambda item: item.recording_id):
        root = unions.root(parents, signature.recording_id)
        if root not in best or signature.quality > best[root].quality:
            best[root] = signature
    return {root: signature.recording_id for root, signature in best.items()}


def _strongest_methods(shared: Mapping[tuple[str, str], list[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for (method, _), ids in sorted(shared.items(), key=lambda item: METHODS.index(item[0][0])):
        for recording_id in ids:
            found.setdefault(recording_id, method)
    return found
