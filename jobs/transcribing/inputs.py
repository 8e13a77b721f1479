"""What is to be transcribed: files, folders and patterns, the rows of tables, the samples of shards."""

from __future__ import annotations

import functools
import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from model.data.corpus import Corpus, resolve_shards
from pipeline import artifact, decoder, store
from pipeline.artifact import Artifact
from pipeline.audio import DecodeError, Samples
from pipeline.errors import DataError, UserError
from pipeline.languages import code_of
from pipeline.rows import AUDIO_COLUMNS, LANG_COLUMNS, format_of, read_rows, text_of
from pipeline.suffixes import MEDIA, ending

POINTER = "shards.json"
POOLED = "detect_language"  # the samples of other streams once more
ITEM = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("lang", pa.string()),
        pa.field("split", pa.string()),
        pa.field("stream", pa.string()),
        pa.field("place", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something to hear: a file at `uri`, or a place of a stream of shards; transcripts are named by `name`.

    `lang` is what a table says is spoken; None has it heard.
    """

    name: str
    uri: str
    lang: str | None = None
    split: str | None = None
    stream: str | None = None
    place: int | None = None

    @property
    def file_name(self) -> str:
        """Return what its transcripts' names begin with; a suffix stays, since two files may differ in it only."""
        return self.name.replace("/", "_").replace(":", "-")

    def samples(self) -> Samples:
        """Return the audio at 16 kHz; DataError says why there is none."""
        try:
            if self.split is not None and self.stream is not None and self.place is not None:
                return _sample(self.uri, self.split, self.stream, self.place, self.name)
            return decoder.decode(store.read_bytes(self.uri)).samples
        except (DecodeError, DataError, OSError) as error:
            raise DataError(f"file {self.uri} cannot be transcribed: {error}; expected audio; leave it out") from error


def whole(place: str) -> str:
    """Return a local path as it is called from anywhere on this machine; any other address as it is."""
    return str(store.local_path(place).expanduser().absolute()) if store.is_local(place) else place


def find_items(inputs: str | Sequence[str]) -> list[Item]:
    """List what inputs mean, each once; UserError for one that means nothing, and for two of a name."""
    given = [inputs] if isinstance(inputs, str) else list(inputs)
    found = list(dict.fromkeys(item for one in given for item in _find(one)))
    first: dict[str, Item] = {}
    for item in found:
        if first.setdefault(item.file_name, item) != item:
            raise UserError(
                f"files {first[item.file_name].uri} and {item.uri} share a name; expected names of their own, as "
                "transcripts are named by them; transcribe the folders one by one"
            )
    return found


def _find(one: str) -> list[Item]:
    if Path(one).name == POINTER:
        return list(_in_shards(resolve_shards(one)))
    if store.exists(store.join(one, artifact.MANIFEST)):
        return list(_in_shards(one))
    if format_of(one) and store.exists(one):
        return list(_in_table(one))
    return _in_files(one)


def _in_files(one: str) -> list[Item]:
    path = Path(one)
    inside = path.rglob("*") if path.is_dir() else map(Path, [one] if path.exists() else glob.glob(one, recursive=True))
    chosen = sorted(file for file in inside if file.is_file() and (path.is_file() or ending(file.name) in MEDIA))
    if not chosen:
        raise UserError(
            f"input {one!r} names no audio; expected a file, a folder, a pattern, a table or shards; "
            f"suffixes are {sorted(MEDIA)}"
        )
    return [Item(name=file.name, uri=str(file)) for file in chosen]


def _in_table(uri: str) -> Iterator[Item]:
    """List the rows of JSON lines, CSV, TSV or Parquet; paths are taken from the table's own folder."""
    folder = uri.rpartition("/")[0]
    for row in read_rows(uri):
        values = row.values or {}
        place = text_of(values, *AUDIO_COLUMNS)
        if place is None:
            raise UserError(
                f"row {row.number} of {uri} {row.problem or 'names no audio'}; "
                f"expected one of the columns {AUDIO_COLUMNS}; mend the table"
            )
        is_whole = "://" in place or place.startswith("/") or not folder
        name = text_of(values, "name", "id") or place.rpartition("/")[2]
        lang = code_of(text_of(values, *LANG_COLUMNS) or "")
        yield Item(name=name, uri=place if is_whole else store.join(folder, place), lang=lang)


def _in_shards(uri: str) -> Iterator[Item]:
    """List the samples of all splits that were not taken down, by their segment's id."""
    root_uri, name, fingerprint = uri.rstrip("/").rsplit("/", 2)
    index = Artifact(root_uri=root_uri, name=name, fingerprint=fingerprint)
    rows = artifact.read_all(index, ("shard_id", "split", "segment_ids")).to_pylist()
    names = {row["shard_id"]: row["segment_ids"] for row in rows}
    for split in sorted({row["split"] for row in rows}):
        corpus = Corpus(uri, split)
        for stream in corpus.pools:
            for place in corpus.places(stream) if stream != POOLED else []:
                shard, number = corpus.pools[stream].at(place)
                segment_id = names[shard.shard_id][number]
                yield Item(name=segment_id, uri=uri, split=split, stream=stream, place=place)


@functools.lru_cache(maxsize=8)
def _corpus(uri: str, split: str) -> Corpus:
    return Corpus(uri, split)


def _sample(uri: str, split: str, stream: str, place: int, name: str) -> Samples:
    sample = _corpus(uri, split).read(stream, place)
    if sample.segment_id != name or sample.audio is None:
        raise DataError(f"sample {name} was taken down; expected one that stands; list the shards again")
    return sample.audio
