"""Transcribe a corpus as a stage of the flow: items in units, here or on Ray, and a table of what was said.

A run that was killed goes on where it was, and the same items, checkpoint and options are never heard twice. For shards
`name` is the segment's id, so that annotators can read the table beside their segments.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from jobs.command.console import console
from jobs.running.executor import ExecutorConfig, make_executor
from jobs.running.flow import Flow
from jobs.transcribing.inputs import ITEM, Item
from jobs.transcribing.parts import Settings, hear_all, is_done, load_model, write
from model.decoding.transcript import Segment, Transcript, Word
from model.listening import CheckpointListener
from pipeline import artifact, store, tables
from pipeline.stage import Context, Output, Stage, Tables

WORD = pa.struct({"start_ms": pa.int64(), "end_ms": pa.int64(), "text": pa.string(), "prob": pa.float64()})
SEGMENT = pa.struct(
    {
        "start_ms": pa.int64(),
        "end_ms": pa.int64(),
        "text": pa.string(),
        "tokens": pa.list_(pa.int32()),
        "avg_logprob": pa.float64(),
        "no_speech_prob": pa.float64(),
        "compression_ratio": pa.float64(),
        "temperature": pa.float64(),
        "words": pa.list_(WORD),
    }
)
TRANSCRIPT = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),  # ok, or unreadable
        pa.field("error", pa.string()),
        pa.field("lang", pa.string()),
        pa.field("lang_prob", pa.float64()),
        pa.field("duration_ms", pa.int64()),
        pa.field("text", pa.string()),
        pa.field("segments", pa.list_(SEGMENT)),
    ]
)
OK, UNREADABLE = "ok", "unreadable"
LATEST = ("latest", "transcripts.json")


def transcribe_corpus(settings: Settings, data_root: str, items: Sequence[Item]) -> list[str]:
    """Transcribe items in units of the flow, then write those that stand; returns what went wrong."""
    with console(settings.log) as shown, make_executor(ExecutorConfig(**settings.executor)) as executor:
        flow = Flow(
            root_uri=store.join(data_root, "artifacts"),
            blobs_uri=store.join(data_root, "blobs"),
            executor=executor,
            progress=shown.progress,
        )
        parts = item_parts(items, settings.items_per_unit)
        found = flow.run([transcript_stage(settings)], {"item": flow.publish_source("item", parts)})["transcript"]
    pointer = {"transcripts_uri": found.uri, "fingerprint": found.fingerprint}
    store.publish(store.join(data_root, *LATEST), json.dumps(pointer, indent=1).encode())
    failures, by_name = list[str](), {item.name: item for item in items}
    for part in range(artifact.num_parts(found)):
        for row in artifact.read_part(found, part).to_pylist():
            item = by_name[row["name"]]
            if row["status"] != OK:
                failures.append(row["error"])
            elif not is_done(item, settings):
                write(to_transcript(row), item, settings)
    print(f"{len(items) - len(failures)} of {len(items)} transcripts: {found.uri}")
    return failures


def item_parts(items: Sequence[Item], items_per_unit: int) -> list[pa.Table]:
    """Return the items as tables, one for each unit."""
    starts = range(0, len(items), items_per_unit)
    return [tables.from_rows([asdict(item) for item in items[at : at + items_per_unit]], ITEM) for at in starts]


def transcript_stage(settings: Settings) -> Stage:
    """Build the stage; the checkpoint's bytes and the options name the output, the machine does not."""
    config = {
        **CheckpointListener(checkpoint=settings.checkpoint).identity(),
        "int8": settings.int8,
        "pads_windows": settings.pads_windows,
        "longform": asdict(settings.longform),
        "decode": asdict(settings.decode),
    }
    return Stage(
        name="transcribe",
        reads={"item": None},
        outputs=(Output(name="transcript", schema=TRANSCRIPT, version=1, config=config, count_by=("status",)),),
        run=TranscribeUnit(settings),
        conserve=_same_names,
    )


@dataclass(frozen=True, slots=True)
class TranscribeUnit:
    """Transcribe the items of a unit."""

    settings: Settings

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Return one row an item, in their order."""
        items = [Item(**row) for row in inputs["item"].to_pylist()]
        return {"transcript": [tables.from_rows(list(transcribe_items(items, self.settings)), TRANSCRIPT)]}


def transcribe_items(items: Sequence[Item], settings: Settings) -> Iterable[Mapping[str, Any]]:
    """Transcribe items together, and yield their rows in order."""
    model, failures = load_model(settings), dict[str, str]()
    transcriber = model.transcriber(settings.decode, settings.longform, settings.batch_size)
    recordings = hear_all(items, settings, model, failures)
    found = {recording.name: transcript for recording, transcript in transcriber.run(recordings)}
    for item in items:
        head = {"name": item.name, "uri": item.uri}
        transcript = found.get(item.name)
        if transcript is None:
            yield dict.fromkeys(TRANSCRIPT.names) | head | {"status": UNREADABLE, "error": failures[item.name]}
        else:
            yield asdict(transcript) | head | {"status": OK, "error": None, "text": transcript.text}


def to_transcript(row: Mapping[str, Any]) -> Transcript:
    """Return the transcript that a row holds."""
    segments = (
        Segment(**one | {"tokens": tuple(one["tokens"]), "words": tuple(Word(**word) for word in one["words"])})
        for one in row["segments"]
    )
    plain = {name: row[name] for name in ("lang", "lang_prob", "duration_ms")}
    return Transcript(**plain, segments=tuple(segments))


def _same_names(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    (found,) = outputs["transcript"]
    assert found["name"].equals(inputs["item"]["name"]), "a unit must give one row for each of its items"
