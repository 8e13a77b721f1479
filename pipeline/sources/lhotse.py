"""Lhotse manifests, as JSON lines, gzipped or not: recordings with their supervisions, or cuts.

`root` is a folder, a recordings file ('x_recordings_dev.jsonl.gz', with 'x_supervisions_dev.jsonl.gz' beside it) or a
cuts file. All cuts of a recording make one candidate: the file as it is stored, with every supervision at its own
time; padding and mixing are undone so. Recordings changed on the fly (speed, tempo) and audio made by a command are
rows that say so. Custom fields are left out; Shar folders are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pipeline import store
from pipeline.errors import UserError
from pipeline.languages import code_of
from pipeline.page import Read
from pipeline.rows import Row, Values, read_rows, seconds_ms, text_of
from pipeline.sources.found import Found, Seed
from pipeline.sources.page import stated
from pipeline.sources.stored import Outside, Part, existing, folder_of, inside, part_of, part_seeds, refused
from pipeline.sources.utterances import Recording, Utterance, found_for, split_of

ENDINGS = (".jsonl", ".jsonl.gz")
_SAME_TIMES = frozenset({"Resample", "Volume", "LoudnessNormalization"})  # transforms that move nothing


@dataclass(slots=True, kw_only=True)
class _Talk:
    """A recording of a manifest with what its supervisions said so far, each with the channels it is heard on."""

    values: Values = field(default_factory=dict[str, Any])
    said: dict[tuple[tuple[int, ...], Utterance], None] = field(default_factory=dict[Any, None])
    num_impossible: int = 0


Talks = dict[str, _Talk]


@dataclass(frozen=True, slots=True, kw_only=True)
class LhotseSource:
    """Manifests at `root`; audio has to lie under `audio_root`, by default the manifest's folder."""

    root: str
    name: str = "lhotse"
    language: str | None = None
    license: str | None = None
    audio_root: str | None = None
    captioned_only: bool = True
    candidates_per_unit: int | None = 16

    def seeds(self, read: Read) -> list[Seed]:
        """Return the manifests, large ones in parts."""
        root = existing(self.root, "a folder of Lhotse manifests or one of them")
        if root.endswith(ENDINGS):
            chosen = [root]
        else:
            uris = [uri for uri in store.list_files(root) if uri.endswith(ENDINGS)]
            chosen = [uri for uri in uris if _is_recordings(uri) or (_is_cuts(uri) and _recordings_of(uri) not in uris)]
        if not chosen:
            raise UserError(
                f"source.root {self.root!r} holds no Lhotse manifest; expected *recordings*.jsonl(.gz) with "
                "*supervisions* beside it, or *cuts*.jsonl(.gz); name one of the files"
            )
        return [seed for uri in chosen for seed in part_seeds(uri, *([_supervisions_of(uri)] * _is_recordings(uri)))]

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        """List a manifest's recordings with what is said in them."""
        part, talks = part_of(seed), Talks()
        if _is_recordings(part.uri):
            yield from _supervisions(part, talks)
            yield from self._recordings(part, talks)
        else:
            yield from _cuts(part, talks)
            for key, talk in talks.items():
                yield from self._found(part.uri, key, talk)

    def _recordings(self, part: Part, talks: Talks) -> Iterator[Found]:
        for row in read_rows(part.uri):
            key = text_of(row.values or {}, "id")
            if row.values is None or key is None:
                yield from _unusable(part, part.uri, row, "no id")
            elif part.has(key):
                talk = talks.pop(key, _Talk())
                talk.values = row.values
                yield from self._found(part.uri, key, talk)
        for key in talks:
            yield refused(f"{part.uri}#id={key}", "no_recording", f"supervisions name recording {key!r}; none has it")

    def _found(self, uri: str, key: str, talk: _Talk) -> Iterator[Found]:
        changed = [name for name in _transforms(talk.values) if name not in _SAME_TIMES]
        sources = _objects(talk.values.get("sources"))
        if changed or not sources:
            status, detail = ("transformed", f"changed by {changed}") if changed else ("bad_candidate", "no sources")
            yield refused(f"{uri}#id={key}", status, f"recording {key!r}: {detail}")
            return
        about = _about(self.language, self.license, uri, key)
        for source in sources:
            place = f"{uri}#id={key}" if len(sources) == 1 else f"{uri}#id={key}&channels={source.get('channels')}"
            try:
                url = self._address(source, folder_of(uri))
            except Outside as error:
                yield refused(place, "outside_root", str(error))
                continue
            if url is None:
                kind = str(source.get("type"))[:40]
                yield refused(place, "unsupported_source", f"audio of type {kind!r}; only files and addresses are read")
                continue
            yield from found_for(_recording(place, url, source, talk, len(sources)), about, self.captioned_only)

    def _address(self, source: Values, folder: str) -> str | None:
        name = text_of(source, "source")
        kind = source.get("type")
        if name is None or kind not in ("file", "url"):
            return None
        return inside(name, folder, self.audio_root or folder)


def _about(language: str | None, license_: str | None, uri: str, key: str) -> Found:
    about = stated(language, license_)
    return Found(
        page_url="",
        declared_lang=about.declared_lang,
        license=about.license,
        license_evidence=about.license_evidence,
        declared_split=split_of(uri.rpartition("/")[2]),
        guid=key,
    )


def _supervisions(part: Part, talks: Talks) -> Iterator[Found]:
    uri = _supervisions_of(part.uri)
    for row in read_rows(uri):
        key = text_of(row.values or {}, "recording_id")
        if row.values is None or key is None:
            yield from _unusable(part, uri, row, "no recording_id")
        elif part.has(key):
            _say(talks.setdefault(key, _Talk()), row.values, 0.0)


def _cuts(part: Part, talks: Talks) -> Iterator[Found]:
    for row in read_rows(part.uri):
        cuts = _plain_cuts(row.values or {})
        if row.values is None or not all([_add_cut(cut, part, talks) for cut in cuts]):
            yield from _unusable(part, part.uri, row, "a cut without recording")


def _add_cut(cut: Values, part: Part, talks: Talks) -> bool:
    """Add what a cut says to its recording, if that is of the part; False for one without recording."""
    recording = cut.get("recording")
    key = text_of(cast(Values, recording), "id") if isinstance(recording, dict) else None
    if key is None:
        return False
    if part.has(key):
        talk = talks.setdefault(key, _Talk())
        talk.values = talk.values or cast(Values, recording)
        for supervision in _objects(cut.get("supervisions")):
            _say(talk, supervision, cut.get("start"))
    return True


def _plain_cuts(values: Values) -> list[Values]:
    """Return the cuts of audio in a row: itself, or those a mixed cut is made of."""
    if values.get("type") != "MixedCut":
        return [values] if values else []
    cuts = [
        cast(Values, track["cut"]) for track in _objects(values.get("tracks")) if isinstance(track.get("cut"), dict)
    ]
    return [cut for cut in cuts if cut.get("type") != "PaddingCut"]


def _say(talk: _Talk, supervision: Values, shift: Any) -> None:
    """Add a supervision; its start counts from the cut's, and may lie before it."""
    text, lang = text_of(supervision, "text"), code_of(text_of(supervision, "language") or "")
    try:
        start = float(supervision.get("start", "")) + float(shift)
        span = seconds_ms(start), seconds_ms(start + float(supervision.get("duration", "")))
    except (TypeError, ValueError, OverflowError):
        span = None, None
    if text is None:
        return
    if span[0] is None or span[1] is None or span[1] <= span[0]:
        talk.num_impossible += 1
        return
    channels = supervision.get("channel")
    heard_on = tuple(item for item in (channels if isinstance(channels, list) else [channels]) if isinstance(item, int))
    talk.said[heard_on, Utterance(text=text, start_ms=span[0], end_ms=span[1], lang=lang)] = None


def _recording(place: str, url: str, source: Values, talk: _Talk, num_sources: int) -> Recording:
    recording = Recording(
        place=place,
        audio_url=url,
        duration_ms=seconds_ms(talk.values.get("duration")),
        num_impossible=talk.num_impossible,
    )
    channels = source.get("channels")
    own = (
        set(channels) if isinstance(channels, list) and all(isinstance(item, int) for item in channels) else set[int]()
    )
    for heard_on, utterance in talk.said:
        if num_sources == 1 or not heard_on or own & set(heard_on):
            recording.add(utterance)
    return recording


def _transforms(values: Values) -> list[str]:
    return [str(item.get("name")) for item in _objects(values.get("transforms"))]


def _unusable(part: Part, uri: str, row: Row, reason: str) -> Iterator[Found]:
    if part.number == 0:
        yield refused(f"{uri}#line={row.number}", "bad_candidate", row.problem or reason)


def _objects(value: Any) -> Sequence[Values]:
    return [cast(Values, item) for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _is_recordings(uri: str) -> bool:
    return "recordings" in uri.rpartition("/")[2]


def _is_cuts(uri: str) -> bool:
    return "cuts" in uri.rpartition("/")[2]


def _supervisions_of(recordings: str) -> str:
    return store.join(folder_of(recordings), recordings.rpartition("/")[2].replace("recordings", "supervisions"))


def _recordings_of(cuts: str) -> str:
    return store.join(folder_of(cuts), cuts.rpartition("/")[2].replace("cuts", "recordings"))
