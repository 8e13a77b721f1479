"""Anybody's recordings: a folder of audio with texts beside it, or a listing of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model.eval_sets.items import NO_LANGUAGE, AudioFile, CaptionReader, EvalItem, EvalTask, check_task, known_code
from model.sample import Cue
from pipeline import sidecars, store
from pipeline.errors import UserError
from pipeline.rows import (
    AUDIO_COLUMNS,
    CAPTION_COLUMNS,
    LANG_COLUMNS,
    TEXT_COLUMNS,
    Values,
    format_of,
    read_rows,
    text_of,
)

SILENT = "no_speech"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSet:
    """Audio or video files of any length with captions or texts beside them, as pipeline.sidecars pairs them.

    `lang` null reads the language off names. Where nobody speaks, every audio file is an item.
    """

    name: str
    root: str
    lang: str | None
    task: EvalTask

    def __post_init__(self) -> None:
        """Refuse a task that is none."""
        check_task(self.task)

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield every audio file that has a text; UserError when none has."""
        root, num = self.root.rstrip("/"), 0
        for place, caption in sidecars.pairs(uri[len(root) + 1 :] for uri in store.list_files(root)):
            if caption is None and self.task != SILENT:
                continue
            num += 1
            uri = store.join(root, place)
            lang, text, cues = NO_LANGUAGE, "", ()
            if caption is not None and self.task != SILENT:
                lang = known_code(self.lang or sidecars.declared_lang(place, caption) or "", uri)
                text, cues = read_captions(store.join(root, caption))
            yield EvalItem(
                item_id=place,
                recording_id=place,
                source=self.name,
                lang=lang,
                task=self.task,
                text=text,
                cues=cues,
                hear=AudioFile(uri),
            )
        if not num:
            raise UserError(
                f"evaluation set {self.name!r} has no audio with a text beside it in {self.root}; "
                f"expected NAME.{sidecars.CAPTIONS[0]} or NAME.txt for NAME.mp3; mend root"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingSet:
    """Rows of audio, and text or caption, and language: .jsonl, .csv, .tsv or .parquet; paths lie beside the file.

    Columns are called as in the source 'listing'. `lang` stands for rows that name no language.
    """

    name: str
    listing: str
    lang: str | None
    task: EvalTask

    def __post_init__(self) -> None:
        """Refuse a task that is none."""
        check_task(self.task)

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield every row; UserError for one without audio or without a text."""
        if not format_of(self.listing) or not store.exists(self.listing):
            raise UserError(
                f"listing {self.listing} is not there; expected a .jsonl, .csv, .tsv or .parquet; mend the path"
            )
        number = 0
        for number, row in enumerate(read_rows(self.listing), 1):
            where = f"row {row.number} of {self.listing}"
            if row.values is None:
                raise UserError(f"{where} cannot be read: {row.problem}; expected audio and its text; mend the row")
            yield self._item(number, row.values, where, read_captions)
        if not number:
            raise UserError(
                f"listing {self.listing} has no rows; expected audio and its text in each; mend the listing"
            )

    def _item(self, number: int, values: Values, where: str, read_captions: CaptionReader) -> EvalItem:
        audio, words, caption = (text_of(values, *names) for names in (AUDIO_COLUMNS, TEXT_COLUMNS, CAPTION_COLUMNS))
        is_silent = self.task == SILENT
        if not audio or not (words or caption or is_silent):
            raise UserError(
                f"{where} has columns {sorted(name for name in values if text_of(values, name))}; "
                "expected audio, and text or caption; mend the row"
            )
        text, cues = self._text(words, caption, read_captions) if not is_silent else ("", ())
        lang = text_of(values, *LANG_COLUMNS) or self.lang or ""
        return EvalItem(
            item_id=text_of(values, "id") or str(number),
            recording_id=text_of(values, "recording") or str(number),
            source=text_of(values, "source") or self.name,
            lang=NO_LANGUAGE if is_silent else known_code(lang, where),
            task=self.task,
            text=text,
            cues=cues,
            hear=AudioFile(self._at(audio)),
        )

    def _text(
        self, words: str | None, caption: str | None, read_captions: CaptionReader
    ) -> tuple[str, tuple[Cue, ...]]:
        return (words, ()) if words else read_captions(self._at(caption or ""))

    def _at(self, place: str) -> str:
        folder = self.listing.rpartition("/")[0] or "."
        return place if "://" in place or place.startswith("/") else store.join(folder, place)
