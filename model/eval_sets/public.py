"""Public test sets as they lie on disk once unpacked: LibriSpeech, FLEURS, Common Voice, CoVoST 2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from model.eval_sets.items import (
    AudioFile,
    CaptionReader,
    EvalItem,
    EvalTask,
    check_task,
    known_code,
    listed,
    read_table,
)
from pipeline import store
from pipeline.errors import UserError

FLEURS_COLUMNS = ("id", "file_name", "raw_transcription", "transcription", "characters", "num_samples", "gender")
FLEURS_CODES = {"cmn_hans_cn": "zh", "yue_hant_hk": "yue", "fil_ph": "tl", "nb_no": "no", "ckb_iq": "ckb"}
ENGLISH_FLEURS = "en_us"


@dataclass(frozen=True, slots=True, kw_only=True)
class LibriSpeech:
    """SPLIT/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt with an id and a text on each line, beside ID.flac."""

    root: str
    split: str

    @property
    def name(self) -> str:
        """The set and its split."""
        return f"librispeech-{self.split}"

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield the utterances; those of a chapter share a recording."""
        folder = store.join(self.root, self.split)
        chapters = [uri for uri in store.list_files(folder) if uri.endswith(".trans.txt")]
        if not chapters:
            raise UserError(
                f"folder {folder} holds no .trans.txt; expected LibriSpeech's SPLIT/SPEAKER/CHAPTER; mend root or split"
            )
        for uri in chapters:
            place, _, file = uri.rpartition("/")
            for line in filter(None, store.read_bytes(uri).decode("utf-8-sig", "replace").splitlines()):
                item, _, text = line.partition(" ")
                yield EvalItem(
                    item_id=item,
                    recording_id=file.removesuffix(".trans.txt"),
                    source=self.name,
                    lang="en",
                    task="transcribe",
                    text=text,
                    hear=AudioFile(store.join(place, f"{item}.flac")),
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleurs:
    """LANG/SPLIT.tsv beside LANG/audio/SPLIT/*.wav; languages by FLEURS's own names (sw_ke), null for all.

    Sentences have one id in all languages: the translation is what stands under it in en_us.
    """

    root: str
    split: str
    languages: list[str] | None
    task: Literal["transcribe", "translate"]

    def __post_init__(self) -> None:
        """Refuse a task that is none."""
        check_task(self.task, ("transcribe", "translate"))

    @property
    def name(self) -> str:
        """The set, its split and its task."""
        return f"fleurs-{self.split}" + ("-translate" if self.task == "translate" else "")

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield the utterances of each language; sentences without an English one are left out of translate."""
        found = [name for name in store.list_names(self.root) if store.exists(self._table(name))]
        english: dict[str, str] = {}
        if self.task == "translate":
            english = {row["id"]: row["raw_transcription"] for row in self._rows(ENGLISH_FLEURS)}
            found = [lang for lang in found if lang != ENGLISH_FLEURS]
        for lang in listed(self.languages, found, self._table("LANG")):
            for row in self._rows(lang):
                text = english.get(row["id"]) if self.task == "translate" else row["raw_transcription"]
                if text is not None:
                    yield self._item(lang, row["id"], row["file_name"], text)

    def _rows(self, lang: str) -> Iterator[Mapping[str, str]]:
        return read_table(self._table(lang), FLEURS_COLUMNS[:4], header=FLEURS_COLUMNS)

    def _table(self, lang: str) -> str:
        return store.join(self.root, lang, f"{self.split}.tsv")

    def _item(self, lang: str, sentence: str, file: str, text: str) -> EvalItem:
        uri = store.join(self.root, lang, "audio", self.split, file)
        return EvalItem(
            item_id=f"{lang}/{file}",
            recording_id=f"{lang}/{sentence}",  # readers of one sentence stumble over the same words
            source=self.name,
            lang=FLEURS_CODES.get(lang) or known_code(lang, self.root),
            task=self.task,
            text=text,
            hear=AudioFile(uri),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonVoice:
    """LANG/SPLIT.tsv with client_id, path and sentence, beside LANG/clips."""

    root: str
    split: str
    languages: list[str]

    @property
    def name(self) -> str:
        """The set and its split."""
        return f"common-voice-{self.split}"

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield the clips of each language; those of a client share a recording."""
        for lang in listed(self.languages, (), self._table("LANG")):
            yield from _clips(self, lang, self._table(lang), "sentence", "transcribe")

    def _table(self, lang: str) -> str:
        return store.join(self.root, lang, f"{self.split}.tsv")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoVoST2:
    """LANG/covost_v2.LANG_en.SPLIT.tsv with path, translation and client_id, beside Common Voice's LANG/clips."""

    root: str
    split: str
    languages: list[str]

    @property
    def name(self) -> str:
        """The set and its split."""
        return f"covost2-{self.split}"

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield the clips of each language with their English translations."""
        for lang in listed(self.languages, (), self._table("LANG")):
            yield from _clips(self, lang, self._table(lang), "translation", "translate")

    def _table(self, lang: str) -> str:
        return store.join(self.root, lang, f"covost_v2.{lang}_en.{self.split}.tsv")


def _clips(of: CommonVoice | CoVoST2, lang: str, table: str, text: str, task: EvalTask) -> Iterator[EvalItem]:
    """Yield the rows of a table whose column `text` is right, of Common Voice's clips."""
    for row in read_table(table, ("path", text, "client_id")):
        yield EvalItem(
            item_id=f"{lang}/{row['path']}",
            recording_id=row["client_id"],
            source=of.name,
            lang=known_code(lang, of.root),
            task=task,
            text=row[text],
            hear=AudioFile(store.join(of.root, lang, "clips", row["path"])),
        )
