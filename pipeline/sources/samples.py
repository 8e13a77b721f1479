"""Samples in a tar, as WebDataset writes them: members of one name but for the ending, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.rows import Values, parse_object
from pipeline.sources.tar_index import Member, NotTar, members_of
from pipeline.suffixes import AUDIO, VIDEO, suffix_of

TEXTS = frozenset({"txt", "json"})
MAX_MEMBERS = 32  # of a sample; further ones are no audio and text of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A sample: its audio, and what its JSON and its text say."""

    key: str
    audio: Member | None
    values: Values = field(default_factory=dict[str, Any])
    problem: str | None = None


def samples_in(uri: str) -> Iterator[Sample]:
    """Yield a tar's samples in order; NotTar where it cannot be read, or not further."""
    members: list[Member] = []
    try:
        for member in members_of(uri, TEXTS):
            if members and _key(member.name) != _key(members[0].name):
                yield _sample(members)
                members = []
            members = [*members, member][:MAX_MEMBERS]
    except NotTar:
        if members:
            yield _sample(members)
        raise
    if members:
        yield _sample(members)


def _key(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _sample(members: Sequence[Member]) -> Sample:
    key = _key(members[0].name)
    audio: Member | None = None
    values: dict[str, Any] = {}
    problem: str | None = None
    for member in members:
        suffix = suffix_of(member.name)
        if suffix in AUDIO | VIDEO and audio is None:
            audio = member
        elif suffix == "txt" and member.content is not None:
            values["text"] = member.content.decode("utf-8-sig", "replace")
        elif suffix == "json" and member.content is not None:
            try:
                values = {**parse_object(member.content), **values}
            except ValueError as error:
                problem = f"{member.name}: no JSON object: {error}"
    return Sample(key=key, audio=audio, values=values, problem=problem)
