"""Dataset folders as Hugging Face has them, on a disk or s3://: what load_dataset reads, where it is audio with text.

Read are metadata.csv, .jsonl or .parquet with file_name beside audio files (audiofolder), Parquet with the audio in it,
and tars whose members are a sample's audio and text (WebDataset). Audio inside a file gets an address there, see
pipeline.embedded_file. Folder and file names tell splits; the card's licence and only language hold for rows that state
none. A row's text has no times unless the row has a duration. Tables that name audio elsewhere are for listing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import embedded_file, store
from pipeline.errors import UserError
from pipeline.languages import code_of
from pipeline.page import Read
from pipeline.rows import Values, format_of, plain_columns, read_rows, seconds_ms, text_of
from pipeline.sources.dataset_card import read_card
from pipeline.sources.found import Found, Seed
from pipeline.sources.row_groups import piece_of, table_seeds
from pipeline.sources.samples import samples_in
from pipeline.sources.stored import Outside, existing, folder_of, inside, part_of, part_seeds, refused
from pipeline.sources.tar_index import NotTar
from pipeline.sources.utterances import SPLITS, Recording, Utterance, found_for, split_of

# The one closest to what was said and written first: FLEURS' transcription has no capitals, its raw one has.
TEXT = ("raw_transcription", "raw_text", "transcription", "text", "sentence", "transcript", "normalized_text")
LANGUAGE = ("language", "lang", "locale")
ROWS_PER_PIECE = 50_000
BATCH_ROWS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFaceSource:
    """The dataset at `root`; `text_column` where it is none of the usual ones.

    Audio that metadata names has to lie under `audio_root`, by default the dataset; in the hub's own cache, where files
    are links, that is the folder that holds blobs/ and snapshots/.
    """

    root: str
    name: str = "huggingface"
    text_column: str | None = None
    language: str | None = None
    license: str | None = None
    audio_root: str | None = None
    captioned_only: bool = True
    candidates_per_unit: int | None = 16

    def seeds(self, read: Read) -> list[Seed]:
        """Return the dataset's files, large ones in pieces."""
        root = existing(self.root, "a dataset's folder")
        seeds = [seed for uri in store.list_files(root) for seed in _seeds(uri)]
        if not seeds:
            raise UserError(
                f"source.root {self.root!r} holds no dataset of audio; expected metadata.csv, .jsonl or .parquet, "
                "Parquet with audio in it, or tars; a plain folder of audio is read by source=folder"
            )
        return seeds

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        """List a file's utterances."""
        uri = piece_of(part_of(seed).uri)[0]
        root = existing(self.root, "a dataset's folder")
        about = self._about(root, uri)
        if uri.endswith(".tar"):
            yield from self._tar(uri, about)
        elif _is_metadata(uri):
            yield from self._metadata(seed, root, about)
        else:
            yield from self._table(seed, about)

    def _about(self, root: str, uri: str) -> Found:
        card = read_card(root)
        evidence = card.licence.evidence if card.licence else self.license and f"source.license={self.license}"
        return Found(
            page_url="",
            declared_lang=card.lang or self.language,
            license=card.licence.name if card.licence else self.license,
            license_url=card.licence.url if card.licence else None,
            license_evidence=evidence,
            declared_split=split_of(uri[len(root) :]),
            validator=store.stamp(uri),
        )

    def _metadata(self, seed: str, root: str, about: Found) -> Iterator[Found]:
        part = part_of(seed)
        for row in read_rows(part.uri):
            place, name = f"{part.uri}#line={row.number}", text_of(row.values or {}, "file_name", "audio_file_name")
            if row.values is None or name is None:
                if part.number == 0:
                    yield refused(place, "bad_candidate", row.problem or "no file_name")
            elif part.has(name):
                yield from self._beside(place, name, row.values, about, root)

    def _beside(self, place: str, name: str, values: Values, about: Found, root: str) -> Iterator[Found]:
        try:
            url = inside(name, folder_of(place.partition("#")[0]), self.audio_root or root)
        except Outside as error:
            yield refused(place, "outside_root", str(error))
            return
        stamp = store.stamp(url) if store.is_local(url) else None
        yield from self._utterance(place, url, values, about, validator=stamp, declared_split=split_of(name))

    def _table(self, seed: str, about: Found) -> Iterator[Found]:
        uri, groups = piece_of(seed)
        number = 0
        try:
            for number, column, values in _embedded_rows(uri, groups):
                url = embedded_file.in_table(uri, column, number)
                yield from self._utterance(f"{uri}#row={number}", url, values, about)
        except (OSError, pa.ArrowException) as error:
            yield refused(f"{uri}#end", "bad_archive", f"the table cannot be read after row {number}: {error}")

    def _tar(self, uri: str, about: Found) -> Iterator[Found]:
        try:
            for sample in samples_in(uri):
                place = f"{uri}#key={sample.key}"
                if sample.audio is None or sample.problem:
                    yield refused(place, "bad_candidate", sample.problem or "a sample without audio")
                else:
                    address = embedded_file.in_tar(uri, sample.audio.name, sample.audio.at)
                    yield from self._utterance(place, address, sample.values, about)
        except NotTar as error:
            yield refused(f"{uri}#end", "bad_archive", str(error))

    def _utterance(self, place: str, url: str, values: Values, about: Found, **own: str | None) -> Iterator[Found]:
        """List a row; `about` is what its file says, `own` what is known of the row beside its values."""
        text = text_of(values, *([self.text_column] if self.text_column else TEXT))
        lang, license_ = code_of(text_of(values, *LANGUAGE) or ""), text_of(values, "license", "licence")
        recording = Recording(place=place, audio_url=url, duration_ms=seconds_ms(text_of(values, "duration")))
        if text:
            recording.add(Utterance(text=text, end_ms=recording.duration_ms or None, lang=lang))
        own |= {
            "declared_lang": lang,
            "declared_split": SPLITS.get((text_of(values, "split") or "").lower()) or own.get("declared_split"),
            "title": text_of(values, "title"),
            "license": license_,
            "license_evidence": license_ and f"{place}: {license_}",
        }
        stated: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
        stated |= {"license_url": None} if license_ else {}
        yield from found_for(recording, replace(about, **stated) if stated else about, self.captioned_only)


def audio_column(schema: pa.Schema) -> str | None:
    """Name a table's column of audio: bytes in a struct, as Hugging Face writes them, or bytes alone."""
    structs = [
        field.name for field in schema if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
    ]
    binaries = [
        field.name for field in schema if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)
    ]
    return next((name for name in ("audio", *structs, *binaries) if name in (*structs, *binaries)), None)


def _embedded_rows(uri: str, groups: range | None) -> Iterator[tuple[int, str, Values]]:
    """Yield each row's number in the whole table, the column its audio is in, and its other values."""
    with store.open_file(uri) as file:
        table = pq.ParquetFile(file)
        schema, chosen = table.schema_arrow, list(groups or range(table.num_row_groups))
        number = sum(table.metadata.row_group(group).num_rows for group in range(chosen[0] if chosen else 0))
        column = audio_column(schema) or ""
        for batch in table.iter_batches(BATCH_ROWS, row_groups=chosen, columns=plain_columns(schema)):
            yield from ((number + index, column, values) for index, values in enumerate(batch.to_pylist()))
            number += batch.num_rows


def _seeds(uri: str) -> list[Seed]:
    if uri.endswith(".tar"):
        return [Seed(url=uri, validator=store.stamp(uri), is_large=True)]
    if _is_metadata(uri):
        return part_seeds(uri)
    return table_seeds(uri, ROWS_PER_PIECE) if format_of(uri) == "parquet" and _may_hold_audio(uri) else []


def _may_hold_audio(uri: str) -> bool:
    try:
        with store.open_file(uri) as file:
            return audio_column(pq.read_schema(file)) is not None
    except (OSError, pa.ArrowException):
        return True  # listing it will say what is wrong with it


def _is_metadata(uri: str) -> bool:
    return uri.rpartition("/")[2].partition(".")[0] == "metadata" and bool(format_of(uri))
