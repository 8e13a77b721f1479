"""Remove the stored bytes of what was taken down: audio, captions, what decoding told, and the answers they came in.

A file that a recording which stands also uses stays. Shards stay too: they are removed whole, once an ingest has made
new ones without the samples.
"""

from __future__ import annotations

from pipeline import artifact, store
from pipeline.artifact import Artifact
from pipeline.fetch import answers, decoded, spool
from pipeline.ledger.reach import ADDRESSES, BYTES, only_theirs, recordings
from pipeline.takedown import Takedowns


def purge(data_root: str, takedowns: Takedowns) -> list[str]:
    """Remove the bytes and return the blobs that are gone; looks through every ingest of the data root."""
    blobs_uri = store.join(data_root, "blobs")
    places = finished_recordings(data_root)
    for url in only_theirs(takedowns, recordings(places), ADDRESSES):
        answers.forget(blobs_uri, url)
    for name in store.list_names(store.join(blobs_uri, spool.FOLDER)):
        store.remove(store.join(blobs_uri, spool.FOLDER, name))  # bodies cut short: whose they are is not told by name
    digests = only_theirs(takedowns, recordings(places), BYTES)
    for digest in digests:
        store.remove(store.join(blobs_uri, decoded.FOLDER, f"{digest}.json"))
    return [digest for digest in digests if store.remove(store.blob_uri(blobs_uri, digest))]


def candidates_to_name(data_root: str, takedowns: Takedowns) -> list[str]:
    """Return the candidates that only their bytes, id or redirects take down, which would be asked for again."""
    rows = recordings(finished_recordings(data_root))
    hit = {row["candidate_id"]: row for row in rows if takedowns.of_recording(row)}
    return sorted(
        name
        for name, row in hit.items()
        if not takedowns.named("candidate", name)
        and not takedowns.of_urls([row["audio_url"], row["text_url"], row["page_url"]])
    )


def finished_recordings(data_root: str) -> list[Artifact]:
    """Return every finished recording table of a data root."""
    root_uri = store.join(data_root, "artifacts")
    found = store.list_names(store.join(root_uri, "recording"))
    places = [Artifact(root_uri=root_uri, name="recording", fingerprint=fingerprint) for fingerprint in found]
    return [place for place in places if artifact.is_complete(place)]
