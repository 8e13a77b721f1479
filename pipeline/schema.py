"""Every table of Sotto, column by column; the order of this file is the order of the flow."""

from __future__ import annotations

import pyarrow as pa

from pipeline.columns import BOOL, FLOAT, INT, STRING, STRINGS, table
from pipeline.columns import SCHEMA_VERSION as SCHEMA_VERSION
from pipeline.families import (
    AGREEMENT,
    AUDIO_LANGUAGE,
    BOILERPLATE,
    MACHINE_TEXT,
    PEERS,
    SOUND,
    SOUND_PRINT,
    SPEECH,
    SPOKEN,
    TEXT_LANGUAGE,
    TEXT_STATS,
    TIMING,
)
from pipeline.families import family as family

CUE = pa.struct([pa.field("start_ms", INT), pa.field("end_ms", INT), pa.field("text", STRING)])
ORIGIN = pa.struct(
    [
        pa.field("recording_id", STRING),
        pa.field("candidate_id", STRING),
        pa.field("sha256", STRING),
        pa.field("urls", STRINGS),
    ]
)

# When and from which of a host's machines, not what: in no fingerprint.
RUN_TIMES = frozenset({"discovered_ms", "fetched_ms", "robots_checked_ms", "peer"})


def run_times(schema: pa.Schema) -> list[str]:
    """Name the columns that say when a run did something, and with whose machine."""
    return [name for name in schema.names if name in RUN_TIMES]


SEED = table(
    "seed",
    {
        "seed_id": (STRING, "hash of source and url"),
        "source": (STRING, "name of the source"),
        "url": (STRING, "a place that can be listed on its own: feed, sitemap, archive, listing or folder"),
        "validator": (STRING, "what changes when a local place does; null on the web"),
    },
)

CANDIDATE = table(
    "candidate",
    {
        "candidate_id": (STRING, "hash of source, audio_url and text_url; of source and page_url without audio"),
        "source": (STRING, "name of the source that listed it"),
        "seed_url": (STRING, "the place of the source it was found from"),
        "page_url": (STRING, "where the pair was found: feed, listing or page"),
        "audio_url": (STRING, "http(s)://, a local path, or path#fragment inside a table or tar; empty without audio"),
        "text_url": (STRING, "likewise, or blob:sha256 for a caption in the listing itself; null where there is none"),
        "text_format": (STRING, "format the source declares; the content decides"),
        "text_kind": (STRING, "human, auto or null, as the source declares the caption's origin"),
        "text_kind_evidence": (STRING, "the verbatim statement text_kind rests on, and where it stood"),
        "declared_lang": (STRING, "spoken language the source declares, Whisper's code"),
        "declared_text_lang": (STRING, "language of the caption the source declares; null: the spoken one"),
        "declared_split": (STRING, "train, validation or test, where the source has splits of its own"),
        "is_synthetic": (BOOL, "a machine spoke it, as the source is set up or says"),
        "declared_duration_ms": (INT, "length the source declares, for planning; never believed"),
        "title": (STRING, "title the source gives"),
        "guid": (STRING, "the feed's own id of the item"),
        "license": (STRING, "licence as stated, SPDX where the source says so"),
        "license_url": (STRING, "address of the licence"),
        "license_evidence": (STRING, "the verbatim statement and where it stood"),
        "opt_out_evidence": (STRING, "the verbatim opt-out signals, one a line; null where none was seen"),
        "integrity": (STRING, "checksum the source declares for the audio, as subresource integrity: sha384-..."),
        "status": (STRING, "ok, or why a place that should list audio gave none (http_404, robots, not_a_feed, ...)"),
        "status_detail": (STRING, "what the library or server said; null when ok"),
        "is_retryable": (BOOL, "whether the same request may succeed later"),
        "validator": (
            STRING,
            "what changes when the audio or caption does: size and mtime of local files, a listed checksum",
        ),
        "discovered_ms": (INT, "Unix time of discovery; not part of any fingerprint"),
    },
)

RECORDING = table(
    "recording",
    {
        "recording_id": (
            STRING,
            "hash of candidate_id and sha256: the same bytes under two URLs are two rows",
        ),
        "candidate_id": (STRING, "the candidate it was fetched for, one to one"),
        "source": (STRING, "name of the source"),
        "status": (STRING, "ok, or why there is no decodable audio (http_404, robots, undecodable, ...)"),
        "status_detail": (STRING, "what the library or server said; null when ok"),
        "is_retryable": (BOOL, "whether the same request may succeed later"),
        "text_status": (STRING, "ok, absent (none published), or why the caption could not be fetched"),
        "text_status_detail": (STRING, "what the library or server said; null when ok"),
        "page_url": (STRING, "where the pair was found"),
        "audio_url": (STRING, "where the audio was asked for"),
        "text_url": (STRING, "where the caption was asked for"),
        "final_url": (STRING, "where the audio was, after redirects; null for local files"),
        "redirects": (STRINGS, "the addresses between audio_url and final_url"),
        "title": (STRING, "title the source gives"),
        "guid": (STRING, "the feed's own id of the item"),
        "declared_lang": (STRING, "spoken language the source declares"),
        "declared_text_lang": (STRING, "language of the caption the source declares"),
        "declared_split": (STRING, "split the source declares"),
        "is_synthetic": (BOOL, "a machine spoke it, as the source is set up or says"),
        "license": (STRING, "licence as stated"),
        "license_url": (STRING, "address of the licence"),
        "license_evidence": (STRING, "the verbatim statement and where it stood"),
        "opt_out_evidence": (STRING, "the verbatim opt-out signals, one a line; null where none was seen"),
        "text_format": (STRING, "caption format the source or the URL suggests"),
        "text_kind": (STRING, "human, auto or null, as the source declares the caption's origin"),
        "text_kind_evidence": (STRING, "the verbatim statement text_kind rests on, and where it stood"),
        "integrity": (STRING, "checksum the source declares for the audio; bytes that differ are no recording"),
        "http_status": (INT, "last HTTP status; null for local files"),
        "etag": (STRING, "validator for the next conditional request"),
        "last_modified": (STRING, "validator for the next conditional request"),
        "content_type": (STRING, "as the server declared it; the bytes decide"),
        "peer": (STRING, "address:port that was connected to; null for local files; not part of any fingerprint"),
        "robots_verdict": (STRING, "allowed, or why not; null for local files"),
        "robots_sha256": (STRING, "of the robots.txt that was obeyed; null where the host has none"),
        "robots_checked_ms": (INT, "Unix time the robots.txt was read; not part of any fingerprint"),
        "user_agent": (STRING, "name the requests carried; null for local files"),
        "sha256": (STRING, "of the audio bytes, which are stored once under this name"),
        "text_sha256": (STRING, "of the caption bytes, stored likewise"),
        "audio_bytes": (INT, "size of the audio file"),
        "pcm_sha256": (STRING, "of the decoded 16 kHz mono samples"),
        "container": (STRING, "container found by its magic bytes, whatever the name said"),
        "codec": (STRING, "codec that decoded it"),
        "sample_rate": (INT, "Hz before resampling"),
        "channels": (INT, "before mixing down"),
        "duration_ms": (INT, "of the decoded samples, never of a header"),
        "fetched_ms": (INT, "Unix time of the fetch; not part of any fingerprint"),
    },
)

TAKEDOWN = table(
    "takedown",
    {
        "kind": (STRING, "url, host, recording, candidate, sha256 or sample"),
        "value": (STRING, "the beginning of an address, a host, or an id"),
    },
)

TOMBSTONE = table(
    "tombstone",
    {
        "recording_id": (STRING, "the recording"),
        "entry": (STRING, "the take-down it falls under; null where it stands"),
        "segment_ids": (STRINGS, "windows of it that are taken down on their own"),
    },
)

SEGMENT = table(
    "segment",
    {
        "segment_id": (STRING, "recording_id:start_ms"),
        "recording_id": (STRING, "the recording it is a window of"),
        "source": (STRING, "name of the source"),
        "start_ms": (INT, "window start in the recording"),
        "end_ms": (INT, "window end; at most 30 s after start"),
        "text": (STRING, "cue texts joined, repaired; null for a window without captions"),
        "raw_text": (
            STRING,
            "repaired text with the speakers and sounds that `text` leaves out; null where it is the same",
        ),
        "cues": (pa.list_(CUE), "cues relative to the window's start, inside the window; null without text"),
        "cut_ms": (INT, "how far the last cue goes on after the window's end; 0 unless overlong or past the audio"),
        "prev_segment_id": (STRING, "the window before it in the recording, if any"),
        "declared_lang": (STRING, "spoken language the source declares"),
        "is_synthetic": (BOOL, "a machine spoke it, as the source is set up or says"),
        "caption_status": (STRING, "ok, untimed (text without times), or why the recording has no usable caption"),
        "caption_format": (STRING, "format found by content"),
        "caption_detail": (STRING, "what the reader has to say of the caption; null when there is nothing"),
        "alignment": (
            STRING,
            "cues: it has times; stretched: times of another clock, repaired; whole: the recording is one window; "
            "speech: text laid over speech by its length; heard: where a model hears it; none; null without",
        ),
        "alignment_confidence": (
            FLOAT,
            "of times that were laid: probability of its ends; heard by a model: that of its words; null of others",
        ),
        "shift_ms": (INT, "what was added to the file's times because speech lies there; null without a timed caption"),
        "untimed_text": (
            STRING,
            "the whole text of a caption without times, in the recording's first window; null elsewhere",
        ),
        "caption_end_ms": (INT, "end of the caption's last cue, also where the audio is shorter; null without cues"),
        "num_lost_cues": (INT, "cues of the caption in no window: impossible times, or after the audio"),
        "is_repaired": (BOOL, "whether ftfy changed the text of this window; null without text"),
        "declared_text_kind": (STRING, "human, auto or null, as the source declares the caption's origin"),
        "caption_lang": (STRING, "language the caption file names itself, verbatim"),
        "caption_auto_mark": (
            STRING,
            "verbatim sign in the file that a recogniser wrote it (acAsrConf, NOTE Confidence, auto-generated)",
        ),
        "caption_tool": (STRING, "verbatim credit of a tool or service: Transcribed by ..., WEBVTT - generated by ..."),
        "has_inline_timing": (BOOL, "words have times of their own inside cues; null without a caption"),
        "is_rolling": (BOOL, "cues showed earlier lines again, which are removed; null without a caption"),
        "num_speakers": (INT, "speakers the file names: voices, fields, 'NAME: '; null without a caption"),
        "has_speaker_marks": (BOOL, "its lines mark speakers: 'NAME: ', '>>', '- '; null without a caption"),
    },
)


CLUSTER = table(
    "cluster",
    {
        "segment_id": (STRING, "the segment"),
        "cluster_id": (STRING, "smallest recording_id of its duplicates, itself when alone"),
        "is_representative": (BOOL, "no duplicate stands for it"),
        "method": (STRING, "unique, exact_audio, exact_pcm, audio_fingerprint, exact_text or minhash"),
        "partner_id": (STRING, "recording_id it was measured against; null for representatives"),
        "similarity": (FLOAT, "measured similarity to the partner, 0 to 1; null for representatives"),
        "offset_ms": (INT, "where it begins in the partner, may be negative; null but for audio_fingerprint"),
        "has_common_text": (BOOL, "its whole caption, a phrase, stands over other audio too; a mark, never a reason"),
        "eval_set": (STRING, "evaluation set that it or a duplicate of it holds part of; null when none"),
        "eval_item": (STRING, "the item it holds most of"),
        "eval_method": (STRING, "exact_pcm, ngram or audio_fingerprint"),
        "eval_overlap": (FLOAT, "share of the item's n-grams or sound that it holds"),
        "split_at": (FLOAT, "place in [0, 1) that draws its split: the greatest of the feeds its duplicates tie"),
        "declared_split": (STRING, "split declared for it or its duplicates; null where it is drawn"),
    },
)

DECISION = table(
    "decision",
    {
        "segment_id": (STRING, "the segment judged"),
        "recording_id": (STRING, "its recording"),
        "duration_ms": (INT, "its length, so that hours can be counted without a join"),
        "kept": (BOOL, "whether it goes to a shard"),
        "reason": (STRING, "the audit reason: 'kept', or the first of reasons"),
        "reasons": (STRINGS, "every rule that rejects it, in the order of the checks"),
        "kind": (STRING, "transcribe, translate or no_speech; null when rejected"),
        "tasks": (STRINGS, "every task it can serve"),
        "lang": (STRING, "spoken language"),
        "text_lang": (STRING, "language of the text; null without text"),
        "split": (STRING, "train, validation or test: declared, else drawn by the feeds that its duplicates tie"),
    },
)

STATES = ("accepted", "rejected", "failed", "opted_out", "taken_down")  # of a candidate, in the ledger

LEDGER = table(
    "ledger",
    {
        "candidate_id": (STRING, "the candidate: its audio, or the place that gave none"),
        "recording_id": (STRING, "its recording"),
        "source": (STRING, "name of the source that listed it"),
        "host": (STRING, "host asked for it; null for local files"),
        "page_url": (STRING, "where it was found, without credentials"),
        "audio_url": (STRING, "where the audio was asked for, without credentials; empty without audio"),
        "state": (STRING, "accepted, rejected, failed, opted_out or taken_down: see pipeline/ledger/stage.py"),
        "reason": (STRING, "'kept', the commonest reason of its windows, its status, its opt-out signal or its entry"),
        "is_retryable": (BOOL, "failed, and the same request may succeed later"),
        "status": (STRING, "of the recording: ok, or why there is no decodable audio"),
        "text_status": (STRING, "of the caption: ok, absent, or why it could not be fetched"),
        "license": (STRING, "licence as stated"),
        "duration_ms": (INT, "audio decoded; null without any"),
        "kept_ms": (INT, "audio in kept windows"),
        "num_windows": (INT, "windows of the recording"),
        "num_kept": (INT, "windows kept"),
    },
)

SHARD_PLAN = table(
    "shard_plan",
    {
        "segment_id": (STRING, "segment, in the order of the tar"),
        "recording_id": (STRING, "its recording"),
        "shard_id": (STRING, "split-stream-number, the same on every row of a part"),
        "split": (STRING, "train, validation or test"),
        "kind": (STRING, "transcribe, translate or no_speech"),
        "lang": (STRING, "spoken language"),
        "text_lang": (STRING, "language of the text"),
        "is_synthetic": (BOOL, "a machine spoke it; false where nobody speaks"),
        "tasks": (STRINGS, "tasks it can serve"),
        "source": (STRING, "name of the source"),
        "candidate_id": (STRING, "the candidate the recording was fetched for"),
        "page_url": (STRING, "where the pair was found, without credentials"),
        "audio_url": (STRING, "where the audio was, without credentials"),
        "text_url": (STRING, "where the caption was, without credentials"),
        "license": (STRING, "licence as stated"),
        "license_url": (STRING, "address of the licence"),
        "license_evidence": (STRING, "the verbatim statement and where it stood"),
        "sha256": (STRING, "audio bytes to cut from"),
        "start_ms": (INT, "window start in the recording"),
        "end_ms": (INT, "window end"),
        "text": (STRING, "repaired text; empty for no_speech"),
        "cues": (pa.list_(CUE), "cues relative to the window"),
        "prev_text": (
            STRING,
            "text of the window before it; null at the start or when that one was rejected",
        ),
        "decision_fingerprint": (STRING, "the decision it follows"),
    },
)

SHARD_INDEX = table(
    "shard_index",
    {
        "shard_id": (STRING, "split-stream-number; a stream is kind-lang or kind-lang-synthetic"),
        "uri": (STRING, "tar relative to the index's folder"),
        "split": (STRING, "train, validation or test"),
        "kind": (STRING, "transcribe, translate or no_speech"),
        "lang": (STRING, "spoken language"),
        "is_synthetic": (BOOL, "machines spoke it, all of it"),
        "num_samples": (INT, "samples in the tar"),
        "bytes": (INT, "size of the tar"),
        "duration_ms": (INT, "audio in the tar"),
        "sha256": (STRING, "of the tar"),
        "decision_fingerprint": (STRING, "the decision it was cut from"),
        "segment_ids": (STRINGS, "each sample's segment, in order"),
        "origins": (pa.list_(ORIGIN), "the recordings its samples are windows of"),
        "sample_offsets": (pa.list_(INT), "byte offset of each sample's first header"),
        "sample_ms": (pa.list_(INT), "duration of each sample"),
    },
)

EVAL_RESULT = table(
    "eval_result",
    {
        "checkpoint": (STRING, "file that was evaluated"),
        "eval_set": (STRING, "name of the set"),
        "condition": (STRING, "clean, or the noise it was heard in: white 10 dB"),
        "source": (STRING, "source of the utterances, or 'all'"),
        "lang": (STRING, "spoken language, or 'all'"),
        "task": (STRING, "transcribe, translate, detect_language or no_speech"),
        "metric": (STRING, "wer, cer, bleu, chrf, accuracy, loss, hallucinated, ...: see model/evaluation/results.py"),
        "value": (FLOAT, "the measurement"),
        "low": (FLOAT, "lower end of its 95 % interval, by bootstrap over recordings; null where there is one only"),
        "high": (FLOAT, "upper end"),
        "num_utterances": (INT, "how many it was measured on"),
        "normaliser": (STRING, "text normaliser applied to both sides"),
    },
)

TABLES: dict[str, pa.Schema] = {
    "seed": SEED,
    "candidate": CANDIDATE,
    "recording": RECORDING,
    "takedown": TAKEDOWN,
    "tombstone": TOMBSTONE,
    "segment": SEGMENT,
    "text_stats": TEXT_STATS,
    "machine_text": MACHINE_TEXT,
    "text_language": TEXT_LANGUAGE,
    "boilerplate": BOILERPLATE,
    "speech": SPEECH,
    "sound": SOUND,
    "timing": TIMING,
    "spoken": SPOKEN,
    "audio_language": AUDIO_LANGUAGE,
    "agreement": AGREEMENT,
    "peers": PEERS,
    "sound_print": SOUND_PRINT,
    "cluster": CLUSTER,
    "decision": DECISION,
    "ledger": LEDGER,
    "shard_plan": SHARD_PLAN,
    "shard_index": SHARD_INDEX,
    "eval_result": EVAL_RESULT,
}
