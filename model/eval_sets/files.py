"""Anybody's recordings: a folder of audio with texts beside it, or a listing of both."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from model.eval_sets.items import CaptionReader, EvalItem, EvalTask, hear_file, known_code
from pipeline import store
from pipeline.errors import UserError
from pipeline.languages import LANGUAGES

AUDIO = frozenset({"aac", "flac", "m4a", "mka", "mp3", "mp4", "ogg", "opus", "wav", "webm"})
CAPTIONS = ("vtt", "srt", "txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSet:
    """Audio files with NAME.vtt, .srt or .txt beside them, or NAME.sw.vtt; of any length.

    `lang` null reads the language off the caption's name or off a folder that is named by a code.
    """

    name: str
    root: str
    lang: str | None
    task: EvalTask

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield every audio file that has a text; UserError when none has."""
        uris = store.list_files(self.root)
        texts = {uri.rpartition(".")[0]: uri for suffix in CAPTIONS for uri in uris if uri.endswith(f".{suffix}")}
        pairs = [(uri, found) for uri in uris if _suffix(uri) in AUDIO and (found := _beside(uri, texts))]
        if not pairs:
            raise UserError(
                f"evaluation set {self.name!r} has no audio with a text beside it in {self.root}; "
                f"expected NAME.{CAPTIONS[0]} for NAME.mp3; mend root"
            )
        for uri, (text_uri, tag) in pairs:
            place = uri[len(self.root.rstrip("/")) + 1 :]
            text, cues = read_captions(store.read_bytes(text_uri))
            folders = (name for name in reversed(place.split("/")[:-1]) if name in LANGUAGES)
            lang = known_code(self.lang or tag or next(folders, ""), uri)
            yield EvalItem(
                item_id=place,
                recording_id=place,
                source=self.name,
                lang=lang,
                task=self.task,
                text=text,
                cues=cues,
                hear=functools.partial(hear_file, uri),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingSet:
    """Rows of audio, and text or caption, and language: .jsonl, .csv, .tsv or .parquet; paths lie beside the file.

    `lang` stands for rows that name no language.
    """

    name: str
    listing: str
    lang: str | None
    task: EvalTask

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield every row; UserError for one without audio or without a text."""
        folder = self.listing.rpartition("/")[0] or "."
        for number, row in enumerate(_rows(self.listing), 1):
            where = f"row {number} of {self.listing}"
            audio, text, caption = (row.get(name) for name in ("audio", "text", "caption"))
            if not audio or (text is None and not caption):
                raise UserError(f"{where} has columns {sorted(row)}; expected audio, and text or caption; mend the row")
            read = (str(text), ()) if text is not None else read_captions(store.read_bytes(_at(folder, str(caption))))
            yield EvalItem(
                item_id=str(row.get("id") or number),
                recording_id=str(row.get("recording") or number),
                source=str(row.get("source") or self.name),
                lang=known_code(str(row.get("language") or row.get("lang") or self.lang or ""), where),
                task=self.task,
                text=read[0],
                cues=read[1],
                hear=functools.partial(hear_file, _at(folder, str(audio))),
            )


def _rows(uri: str) -> list[Mapping[str, Any]]:
    if not store.exists(uri):
        raise UserError(f"listing {uri} does not exist; expected .jsonl, .csv, .tsv or .parquet; mend the path")
    data, suffix = store.read_bytes(uri), _suffix(uri)
    if suffix == "jsonl":
        return [json.loads(line) for line in data.decode("utf-8").splitlines() if line.strip()]
    if suffix == "parquet":
        return pq.read_table(pa.BufferReader(data)).to_pylist()
    delimiter = "\t" if suffix == "tsv" else ","
    return csv.read_csv(pa.BufferReader(data), parse_options=csv.ParseOptions(delimiter=delimiter)).to_pylist()


def _beside(uri: str, texts: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the caption of an audio file, and the language in its name."""
    stem = uri.rpartition(".")[0]
    if stem in texts:
        return texts[stem], ""
    tagged = ((name, found) for name, found in texts.items() if name.startswith(f"{stem}."))
    return next(((found, name[len(stem) + 1 :]) for name, found in tagged if name[len(stem) + 1 :] in LANGUAGES), None)


def _at(folder: str, place: str) -> str:
    return place if "://" in place or place.startswith("/") else store.join(folder, place)


def _suffix(uri: str) -> str:
    return uri.rpartition(".")[2].lower()
