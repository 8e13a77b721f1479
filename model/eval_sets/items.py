"""What evaluation asks about: one recording or window, what is right, and how to hear it."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from model.sample import Cue
from pipeline import decoder, store
from pipeline.audio import DecodeError, Samples
from pipeline.errors import DataError, UserError, unknown_name
from pipeline.languages import code_of

EvalTask = Literal["transcribe", "translate", "no_speech"]
NO_LANGUAGE = "und"
CaptionReader = Callable[[str], tuple[str, tuple[Cue, ...]]]  # a caption's URI to its text, and cues where it has any


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalItem:
    """One question. `text` is in the spoken language, in English for translate, and empty where nobody speaks.

    `recording_id` is shared by windows of one recording, which are drawn together for confidence intervals. `hear`
    has a `uri` where it plays what is stored.
    """

    item_id: str
    recording_id: str
    source: str
    lang: str
    task: EvalTask
    text: str
    hear: Callable[[], Samples]
    cues: tuple[Cue, ...] = ()

    @property
    def audio_uri(self) -> str | None:
        """Where its audio is stored, perhaps inside another file (pipeline.embedded_file); None for what is made."""
        return getattr(self.hear, "uri", None)


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A file that is decoded to 16 kHz mono when it is heard; DataError names one that cannot be."""

    uri: str

    def __call__(self) -> Samples:
        """Decode it."""
        try:
            return decoder.decode(store.read_bytes(self.uri)).samples
        except (DecodeError, FileNotFoundError) as error:
            raise DataError(
                f"evaluation audio {self.uri} cannot be heard: {error}; expected audio; mend the set or leave it out"
            ) from error


class EvalSet(Protocol):
    """A set of items; `name` stands in every row of its results."""

    @property
    def name(self) -> str:
        """Name of the set."""
        ...

    def items(self, read_captions: CaptionReader) -> Iterator[EvalItem]:
        """Yield the items in a fixed order; UserError for a folder that is not of this layout."""
        ...


def check_task(task: str, allowed: Sequence[str] = get_args(EvalTask)) -> None:
    """Refuse a task that no item can have."""
    if task not in allowed:
        raise unknown_name("task", task, allowed)


def known_code(tag: str, where: str) -> str:
    """Return the code of a language tag; UserError says where one stands that names none."""
    code = code_of(tag)
    if code is None:
        raise UserError(f"language {tag!r} of {where} is none; expected a code such as 'sw'; name it in the settings")
    return code


def listed(codes: Sequence[str] | None, known: Sequence[str], table: str) -> Sequence[str]:
    """Return the languages asked for, or those known; UserError for a word that is no list, and where there are none.

    `table` says where one of each language would lie.
    """
    if isinstance(codes, str):
        raise UserError(f"languages {codes!r} is one word; expected a list; write languages=[{codes}]")
    if not (codes or known):
        raise UserError(f"no language has a table {table}; expected some to have; mend root, split or languages")
    return codes or known


def read_table(uri: str, columns: Sequence[str], header: Sequence[str] | None = None) -> Iterator[Mapping[str, str]]:
    """Read a table with tabs, quotes being text; `header` where the file has none. UserError names what it lacks."""
    if not store.exists(uri):
        raise UserError(f"evaluation set has no file {uri}; expected it in this layout; mend root or split")
    with io.TextIOWrapper(store.open_file(uri), "utf-8-sig", "replace", newline="\n") as file:
        lines = (line.rstrip("\r\n").split("\t") for line in file if line.strip("\r\n"))
        names = list(header or next(lines, ()))
        lacking = [name for name in columns if name not in names]
        first = None if lacking else next(lines, None)
        if first is None:
            raise UserError(
                f"table {uri} lacks columns {lacking} or rows; expected columns {list(columns)}; mend the set"
            )
        for cells in itertools.chain([first], lines):
            row = dict(zip(names, cells, strict=False))
            if not row.keys() >= set(columns):
                raise UserError(f"row {cells} of {uri} is cut short; expected columns {list(columns)}; mend the set")
            yield row
