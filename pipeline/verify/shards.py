"""The shards, read again as a stranger would, with Python's own tarfile: each holds what its index says, whole.

One shard is in memory at a time. Audio is decoded, not believed.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import soundfile

from pipeline import store
from pipeline.audio import SAMPLE_RATE
from pipeline.redact import secrets_in
from pipeline.verify.corpus import Corpus
from pipeline.verify.verdict import Tally, Verdict

Row = Mapping[str, Any]
MEMBERS = ({"flac", "json"}, {"opus", "json"})
TOLERANCE_MS = 20
MAX_TOKENS, MAX_PROMPT = 448, 224  # Whisper's text context, and the half that text before the window may take
COLUMNS = (
    "shard_id",
    "uri",
    "num_samples",
    "bytes",
    "duration_ms",
    "sha256",
    "segment_ids",
    "sample_offsets",
    "sample_ms",
)
REQUIRED = ("segment_id", "recording_id", "source", "kind", "lang", "tasks", "sha256", "audio_url", "schema_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The most tokens a sample is trained on with, and how many of them are text before it; none when passed over."""

    total: int = 0
    prompt: int = 0
    is_passed_over: bool = False


CountTokens = Callable[[bytes], Tokens]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    """What one pass over the shards counts; the tallies of files, origins and secrets are shared with other checks."""

    files: Tally
    whole: Tally
    origins: Tally
    audio: Tally
    tokens: Tally
    secrets: Tally

    def verdicts(self) -> list[Verdict]:
        """Return what was found."""
        found = (self.files, self.whole, self.origins, self.audio, self.tokens, self.secrets)
        return [tally.verdict() for tally in found]


def every_shard_holds_what_its_index_says(corpus: Corpus, tallies: Tallies, count_tokens: CountTokens) -> None:
    """I3, I5, I9, I10, I11 and I13, of every shard and sample."""
    for row in corpus.rows("shard_index", COLUMNS):
        uri = store.join(corpus.made["shard_index"].uri, row["uri"])
        try:
            data = store.read_bytes(uri)
        except FileNotFoundError:
            tallies.files.check(False, f"shard {row['shard_id']} is missing at {uri}")
            continue
        fault = _file_fault(row, data)
        tallies.files.check(fault is None, f"shard {row['shard_id']} {fault}")
        samples, fault = _reread(data)
        fault = fault or _index_fault(row, samples)
        tallies.whole.check(fault is None, f"shard {row['shard_id']} {fault}")
        for key, members in samples.items():
            if set(members) in MEMBERS:
                _check_sample(f"{row['shard_id']}/{key}", members, tallies, count_tokens)


def _file_fault(row: Row, data: bytes) -> str | None:
    if len(data) != row["bytes"]:
        return f"has {len(data)} bytes; its index says {row['bytes']}"
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        return "has another sha256 than its index"
    if not row["num_samples"] == len(row["segment_ids"]) == len(row["sample_offsets"]) == len(row["sample_ms"]):
        return "has an index that contradicts itself on the number of samples"
    return None if sum(row["sample_ms"]) == row["duration_ms"] else "has an index whose durations do not add up"


def _reread(data: bytes) -> tuple[dict[str, dict[str, bytes]], str | None]:
    """Read all samples, key to members by extension, and say what stopped that."""
    samples: dict[str, dict[str, bytes]] = {}
    last = ""
    try:
        for name, content in _members(data):
            key, _, extension = name.partition(".")
            if content is None:
                return samples, f"has a member {name!r} that is no plain file"
            if key in samples and (key != last or extension in samples[key]):
                return samples, f"has sample {key!r} in more than one place"
            samples.setdefault(key, {})[extension] = content
            last = key
    except (tarfile.TarError, OSError) as error:
        return samples, f"cannot be read to its end: {error}"
    return samples, None


def _members(data: bytes) -> Iterator[tuple[str, bytes | None]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None  # a link's target is nobody's sample
            yield member.name, file.read() if file is not None else None


def _index_fault(row: Row, samples: Mapping[str, Row]) -> str | None:
    expected = [segment_id.replace(":", "_") for segment_id in row["segment_ids"]]
    if list(samples) != expected:
        return f"has {len(samples)} samples, not the {len(expected)} of its index in their order"
    odd = next((key for key, members in samples.items() if set(members) not in MEMBERS), None)
    return odd and f"has sample {odd!r} with members {sorted(samples[odd])}; expected json and flac or opus"


def _check_sample(name: str, members: Mapping[str, bytes], tallies: Tallies, count_tokens: CountTokens) -> None:
    try:
        described: dict[str, Any] = json.loads(members["json"])
    except ValueError as error:
        tallies.whole.check(False, f"sample {name} has no JSON: {error}")
        return
    missing = [field for field in REQUIRED if not described.get(field)]
    tallies.origins.check(not missing and "license" in described, f"sample {name} lacks {missing or ['license']}")
    sound = members["flac" if "flac" in members else "opus"]
    fault = next(_audio_faults(described, sound), None)
    tallies.audio.check(fault is None, f"sample {name} {fault}")
    tokens = count_tokens(members["json"])
    tallies.tokens.check(
        tokens.total <= MAX_TOKENS and tokens.prompt <= MAX_PROMPT,
        f"sample {name} is trained on with {tokens.total} tokens, {tokens.prompt} of them before it",
    )
    if tokens.is_passed_over:
        tallies.tokens.note(f"samples of more than {MAX_TOKENS} tokens, which training passes over, such as {name}")
    secrets = secrets_in(members["json"].decode("utf-8", "replace"))
    tallies.secrets.check(not secrets, f"sample {name} holds {', '.join(secrets)}")


def _audio_faults(described: Row, sound: bytes) -> Iterator[str]:
    try:
        samples, rate = soundfile.read(io.BytesIO(sound), dtype="int16")
    except soundfile.LibsndfileError as error:
        yield f"does not decode: {error}"
        return
    if rate != SAMPLE_RATE or samples.ndim != 1:
        yield f"has audio of {rate} Hz and shape {samples.shape}; expected {SAMPLE_RATE} Hz mono"
    found_ms = len(samples) * 1000 / rate
    if abs(found_ms - described["duration_ms"]) > TOLERANCE_MS:
        yield f"has {found_ms:.0f} ms of audio; it says {described['duration_ms']} ms"
    for start_ms, end_ms, _ in described["cues"]:
        if not 0 <= start_ms <= end_ms <= described["duration_ms"]:
            yield f"has a cue from {start_ms} to {end_ms} ms in {described['duration_ms']} ms of audio"
