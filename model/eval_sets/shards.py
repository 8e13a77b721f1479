"""A held-out split of our own shards."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from model.data.corpus import Corpus, resolve_shards
from model.data.mixture import POOLED_TASKS
from model.eval_sets.items import CaptionReader, EvalItem, EvalTask
from model.tasks.registry import TASKS
from pipeline import embedded_file, store
from pipeline.audio import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSet:
    """A split of a shard folder, or of the pointer that ingest leaves.

    Nothing where nobody names shards: those of the corpus that is being made, which its own splits hold out.
    """

    shards: str | None
    split: str

    @property
    def name(self) -> str:
        """The split's name."""
        return self.split

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield every window that can serve its task, stream by stream."""
        if self.shards is None:
            return
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
                        hear=ShardAudio(corpus, stream, place),
                    )


@dataclass(frozen=True, slots=True)
class ShardAudio:
    """The audio of a place of a stream, through the corpus, which knows whole shards from damaged ones."""

    corpus: Corpus
    stream: str
    place: int

    @property
    def uri(self) -> str:
        """Where it lies in its tar: there a sample's audio comes first."""
        shard, number = self.corpus.pools[self.stream].at(self.place)
        at = int(shard.offsets[number])
        header = store.read_range(shard.uri, at, at + tarfile.BLOCKSIZE)
        return embedded_file.in_tar(shard.uri, tarfile.TarInfo.frombuf(header, "utf-8", "strict").name, at)

    def __call__(self) -> Samples:
        """Read it."""
        audio = self.corpus.read(self.stream, self.place).audio
        assert audio is not None
        return audio
