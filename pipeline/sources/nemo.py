"""NeMo manifests: a JSON object a line with audio_filepath, duration, offset, text and languages.

`root` is a manifest, or a pattern of shards ('manifest__OP_0..127_CL_.json'). Paths are relative to the manifest, or
name members of the tars `tarred_audio`, a pattern too. Rows of one audio file make one candidate, its texts at their
offsets; a row in another language than the audio's (target_lang) makes a candidate for that language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pipeline import embedded_file
from pipeline.errors import UserError
from pipeline.languages import code_of
from pipeline.page import Read
from pipeline.rows import Row, Values, read_rows, seconds_ms, text_of
from pipeline.sources.found import Found, Seed
from pipeline.sources.page import stated
from pipeline.sources.stored import Outside, Part, existing, folder_of, inside, part_of, part_seeds, refused
from pipeline.sources.tar_index import NotTar, members_of
from pipeline.sources.utterances import Recording, Utterance, found_for, split_of

MAX_SHARDS = 100_000
ONLY = -1  # the shard of rows that are all in one tar
_RANGE = re.compile(r"(?:_OP_|\{)(\d{1,9})\.\.(\d{1,9})(?:_CL_|\})")
_SUB = re.compile(r"-sub\d+(?=\.\w+$|$)")  # how NeMo names a second row of the same member


@dataclass(frozen=True, slots=True, kw_only=True)
class NemoSource:
    """Manifests at `root`; audio has to lie under `audio_root`, by default the manifest's folder."""

    root: str
    name: str = "nemo"
    language: str | None = None
    license: str | None = None
    audio_root: str | None = None
    tarred_audio: str | None = None
    captioned_only: bool = True
    candidates_per_unit: int | None = 16

    def seeds(self, read: Read) -> list[Seed]:
        """Return the manifests, large ones in parts."""
        uris = list(self._manifests().values())
        tars = self._tars()
        if not uris:
            raise UserError(
                f"source.root {self.root!r} names no manifest; expected a file or a range _OP_0..N_CL_; mend it"
            )
        if len(uris) > 1 and tars and len(tars) != len(uris):
            raise UserError(
                f"source.tarred_audio {self.tarred_audio!r} names {len(tars)} tars for {len(uris)} manifests; "
                "expected one each, or one manifest for all; mend the range"
            )
        return [seed for uri in uris for seed in part_seeds(uri, *tars.values())]

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        """List a manifest's audio files with what is said in them."""
        part, recordings = part_of(seed), dict[str, Recording]()
        audio = _Audio(part.uri, self.audio_root or folder_of(part.uri), self._tars_of(part.uri))
        for row in read_rows(part.uri):
            yield from _add(row, part, audio, recordings)
        about = replace(stated(self.language, self.license), declared_split=split_of(part.uri.rpartition("/")[2]))
        for recording in recordings.values():
            yield from found_for(recording, about, self.captioned_only)

    def _manifests(self) -> dict[int, str]:
        return {number: existing(name, "a NeMo manifest, JSON lines") for number, name in shards(self.root).items()}

    def _tars(self) -> dict[int, str]:
        return {number: existing(name, "a tar of audio") for number, name in shards(self.tarred_audio or "").items()}

    def _tars_of(self, manifest: str) -> dict[int, str]:
        """Return the tars of a manifest by the shard_id of its rows, or the one they are all in, as shard -1."""
        manifests, tars = list(self._manifests().values()), self._tars()
        if len(tars) == len(manifests):
            return {ONLY: list(tars.values())[manifests.index(manifest)]}
        return tars


class _Audio:
    """Finds the audio a row names: beside the manifest, or in a tar, whose index is read when first asked for."""

    def __init__(self, manifest: str, root: str, tars: Mapping[int, str]) -> None:
        self._folder, self._root, self._tars = folder_of(manifest), root, tars
        self._known: dict[str, str] = {}  # following links costs a tenth of a millisecond
        self._indices: dict[str, tuple[dict[str, int], str | None]] = {}

    def address(self, name: str, shard: str | None) -> str:
        """Return where the audio is; Outside, NotTar or KeyError when it is not to be had."""
        if not self._tars:
            if name not in self._known:
                self._known[name] = inside(name, self._folder, self._root)
            return self._known[name]
        tar = self._tars[ONLY if ONLY in self._tars else int(shard or 0)]
        if tar not in self._indices:
            self._indices[tar] = _index(tar)
        places, damage = self._indices[tar]
        member = name if name in places else _SUB.sub("", name)
        if member not in places and damage:
            raise NotTar(damage)
        return embedded_file.in_tar(tar, member, places[member])


def _index(tar: str) -> tuple[dict[str, int], str | None]:
    """Return where each member starts, and what is wrong with the tar."""
    places = dict[str, int]()
    try:
        for member in members_of(tar):
            places[member.name] = member.at
    except NotTar as error:
        return places, str(error)
    return places, None


def shards(pattern: str) -> dict[int, str]:
    """Return the names a pattern stands for, by their numbers; one without a range is number 0."""
    ranged = _RANGE.search(pattern)
    if not ranged:
        return {0: pattern} if pattern else {}
    first, last = int(ranged[1]), int(ranged[2])
    if last - first >= MAX_SHARDS:
        raise UserError(f"{pattern!r} names {last - first + 1} shards; expected {MAX_SHARDS} at most; mend the range")
    width = len(ranged[1]) if ranged[1].startswith("0") else 0
    return {
        number: f"{pattern[: ranged.start()]}{number:0{width}d}{pattern[ranged.end() :]}"
        for number in range(first, last + 1)
    }


def _add(row: Row, part: Part, audio: _Audio, recordings: dict[str, Recording]) -> Iterator[Found]:
    place = f"{part.uri}#line={row.number}"
    name = text_of(row.values or {}, "audio_filepath", "audio_file", "audio_filename")
    if row.values is None or name is None:
        if part.number == 0:
            yield refused(place, "bad_candidate", row.problem or "no audio_filepath")
        return
    if not part.has(_SUB.sub("", name)):
        return
    try:
        url = audio.address(name, text_of(row.values, "shard_id"))
    except Outside as error:
        yield refused(place, "outside_root", str(error))
    except NotTar as error:
        yield refused(place, "bad_archive", str(error))
    except (KeyError, ValueError):
        yield refused(place, "missing_file", f"no tar of this manifest holds {name!r}")
    else:
        _say(recordings.setdefault(url, Recording(place=place, audio_url=url)), row.values)


def _say(recording: Recording, values: Values) -> None:
    text = text_of(values, "answer", "text")
    start_ms, duration_ms = seconds_ms(values.get("offset") or 0), seconds_ms(values.get("duration"))
    is_impossible = start_ms is None or (duration_ms is None and values.get("duration") is not None) or duration_ms == 0
    if is_impossible and text:
        recording.num_impossible += 1
    if is_impossible or start_ms is None or text is None:
        return
    lang = code_of(text_of(values, "source_lang", "lang", "language") or "")
    text_lang = code_of(text_of(values, "target_lang") or "")
    end_ms = None if duration_ms is None else start_ms + duration_ms
    recording.duration_ms = max(recording.duration_ms or 0, end_ms or 0) or None
    recording.add(Utterance(text=text, start_ms=start_ms, end_ms=end_ms, lang=lang, text_lang=text_lang))
