"""The books: every candidate has one state, no sample is there twice, none lacks its licence, no split leaks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline import artifact, store
from pipeline.artifact import Artifact
from pipeline.schema import STATES
from pipeline.verify.corpus import Corpus
from pipeline.verify.names import Hashes, hashes, is_in, repeated, torn
from pipeline.verify.verdict import FIRST, Tally, Verdict

ACCEPTED = STATES[0]
PROVENANCE = ("candidate_id", "recording_id", "sha256", "urls")


def every_candidate_has_one_state(corpus: Corpus) -> Verdict:
    """I1: candidates = accepted + rejected + failed + opted_out + taken_down, and the shards hold what was accepted."""
    tally = Tally("I1", "candidates = accepted + rejected + failed + opted out + taken down")
    columns = ("candidate_id", "recording_id", "state", "num_kept")
    pairs = zip(corpus.parts("candidate", ("candidate_id",)), corpus.parts("ledger", columns), strict=True)
    num_kept = 0
    for number, (candidates, ledger) in enumerate(pairs):
        listed, booked = [[row["candidate_id"] for row in rows] for rows in (candidates, ledger)]
        tally.check(listed == booked, f"ledger part {number} has other candidates than its candidate part")
        for row in ledger:
            tally.check(row["state"] in STATES, f"candidate {row['candidate_id']} has state {row['state']!r}")
            num_kept += row["num_kept"] if row["state"] == ACCEPTED else 0
    num_samples = sum(row["num_samples"] for row in corpus.rows("shard_index", ("num_samples",)))
    tally.check(
        num_kept == num_samples, f"the ledger accepts {num_kept} windows, the shards have {num_samples} samples"
    )
    accepted = _accepted(corpus)
    for shard_id, recording_id in _origins(corpus, "recording_id"):
        tally.check(is_in(recording_id, accepted), f"shard {shard_id} has recording {recording_id}, not accepted")
    return tally.verdict()


def nothing_is_there_twice(corpus: Corpus) -> Verdict:
    """I2: a sample's id is unique, and no two recordings in the shards have the same audio bytes."""
    tally = Tally("I2", "sample ids are unique, and so is the audio of each recording kept")

    def segments() -> Iterator[str]:
        return (name for row in corpus.rows("shard_index", ("segment_ids",)) for name in row["segment_ids"])

    def audio() -> Iterator[tuple[str, str]]:
        origins = (origin for row in corpus.rows("shard_index", ("origins",)) for origin in row["origins"])
        return ((origin["sha256"], origin["recording_id"]) for origin in origins)

    bad, first = repeated(segments, FIRST)
    tally.count(sum(1 for _ in segments()), bad, (f"sample {name} is there more than once" for name in first))
    bad, first = torn(audio, FIRST)
    tally.count(0, bad, (f"audio {name} is of more than one recording" for name in first))
    return tally.verdict()


def every_sample_says_where_it_is_from(corpus: Corpus, tally: Tally) -> None:
    """I9: whose it is, by which licence, where it was found and which filters kept it; per shard and recording."""
    decisions = dict[str, bool]()
    for row in corpus.rows("shard_index", ("shard_id", "origins", "segment_ids", "decision_fingerprint")):
        fingerprint = row["decision_fingerprint"]
        if fingerprint not in decisions:
            decisions[fingerprint] = _names_its_checks(corpus, fingerprint)
        tally.check(decisions[fingerprint], f"shard {row['shard_id']}: decision {fingerprint} names no checks")
        known = {origin["recording_id"] for origin in row["origins"]}
        for origin in row["origins"]:
            missing = [name for name in PROVENANCE if not origin[name]]
            tally.check(not missing, f"shard {row['shard_id']}: recording {origin['recording_id']} lacks {missing}")
        lost = {segment_id.partition(":")[0] for segment_id in row["segment_ids"]} - known
        tally.check(not lost, f"shard {row['shard_id']} does not say where {sorted(lost)[:3]} are from")
    for row in corpus.rows("ledger", ("state", "license")):
        if row["state"] == ACCEPTED and not row["license"]:
            tally.note("accepted recordings whose source states no licence")


def no_split_leaks(corpus: Corpus) -> Verdict:
    """I12: a recording, and the same audio under another name, is in one split."""
    tally = Tally("I12", "splits share no recording and no audio")

    def pairs(name: str) -> Iterator[tuple[str, str]]:
        rows = corpus.rows("shard_index", ("split", "origins"))
        return ((origin[name], row["split"]) for row in rows for origin in row["origins"])

    for name in ("recording_id", "sha256"):
        bad, first = torn(lambda name=name: pairs(name), FIRST)
        tally.count(sum(1 for _ in pairs(name)), bad, (f"{name} {value} is in more than one split" for value in first))
    return tally.verdict()


def _accepted(corpus: Corpus) -> Hashes:
    rows = corpus.rows("ledger", ("recording_id", "state"))
    return np.sort(hashes(row["recording_id"] for row in rows if row["state"] == ACCEPTED))


def _origins(corpus: Corpus, name: str) -> Iterator[tuple[str, str]]:
    for row in corpus.rows("shard_index", ("shard_id", "origins")):
        for origin in row["origins"]:
            yield row["shard_id"], origin[name]


def _names_its_checks(corpus: Corpus, fingerprint: str) -> bool:
    place = Artifact(root_uri=store.join(corpus.data_root, "artifacts"), name="decision", fingerprint=fingerprint)
    return artifact.is_complete(place) and "checks" in artifact.read_manifest(place)["identity"]["config"]
