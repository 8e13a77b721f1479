"""A held-out split of our own shards."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from model.data.corpus import Corpus, resolve_shards
from model.data.mixture import POOLED_TASKS
from model.eval_sets.items import CaptionReader, EvalItem, EvalTask
from model.tasks.registry import TASKS
from pipeline.audio import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSet:
    """A split of a shard folder, or of the pointer that ingest leaves; None where nobody has named one yet."""

    shards: str | None
    split: str

    @property
    def name(self) -> str:
        """The split's name."""
        return self.split

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield every window that can serve its task, stream by stream."""
        assert self.shards is not None, "a split is asked for before its shards are named"
        corpus = Corpus(resolve_shards(self.shards), self.split)
        for stream in corpus.pools:
            kind = stream.split("-")[0]
            if stream in POOLED_TASKS and kind != "no_speech":
                continue  # the same windows again
            for place in corpus.places(stream):
                sample = corpus.read(stream, place)
                if TASKS[kind].eligible(sample):
                    yield EvalItem(
                        item_id=sample.segment_id,
                        recording_id=sample.recording_id,
                        source=sample.source,
                        lang=sample.lang,
                        task=cast(EvalTask, kind),
                        text=sample.text,
                        cues=sample.cues,
                        hear=functools.partial(_hear, corpus, stream, place),
                    )


def _hear(corpus: Corpus, stream: str, place: int) -> Samples:
    audio = corpus.read(stream, place).audio
    assert audio is not None
    return audio
