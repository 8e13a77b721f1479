"""Consent and licence of a contribution: read, and refused with what is missing and what to do.

consent.yaml (or .json), every field needed:

    speakers: [Amina Hassan]      # everybody who is heard, or their guardians
    signed_by: Amina Hassan       # who signed for them
    date: 2026-03-01              # when
    contact: amina@example.org    # where a withdrawal would come from, and questions go
    scope: [training]             # what the recording may be used for; training has to be among it
    license: CC-BY-4.0            # its SPDX id; may stand in a file LICENSE instead

A file WITHDRAWN (also .txt, .md), whatever it holds, takes all of it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

import yaml

from pipeline.sources.rights import Licence

CONSENT = ("consent.yaml", "consent.yml", "consent.json")
LICENCE = ("license", "licence", "license.txt", "licence.txt", "license.md", "licence.md")
WITHDRAWN = ("withdrawn", "withdrawn.txt", "withdrawn.md", "withdrawal", "withdrawal.txt", "withdrawal.md")
FIELDS = ("speakers", "signed_by", "date", "contact", "scope")
MAX_BYTES = 64 << 10
_NOTHING = ("", "~", "null", "Null", "NULL")  # YAML's, where every scalar is text
_SPDX = re.compile(
    r"CC0-1\.0|CC-BY(?:-NC)?(?:-SA|-ND)?-[1-4]\.[05](?:-[A-Z]{2,3})?|PDDL-1\.0|O(?:DC-By|DbL)-1\.0|CC-PDDC"
    r"|Apache-2\.0|MIT|LicenseRef-[A-Za-z0-9.-]+"
)
_TAG = re.compile(r"SPDX-License-Identifier:\s*(\S+)")


class Refused(Exception):
    """A contribution that may not be used; `status` is no_consent, no_license or withdrawn, the message what to do."""

    def __init__(self, status: str, message: str) -> None:
        """Keep the status its row gets."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What was agreed to: the licence, with both statements as evidence."""

    licence: Licence


def read_consent(files: Iterable[Path]) -> Consent:
    """Read consent and licence among a contribution's own files; Refused when anything is missing or taken back."""
    by_name = {path.name.lower(): path for path in files}
    withdrawn = _named(by_name, WITHDRAWN)
    if withdrawn:
        reason = " ".join(_text(withdrawn).split())[:200] or "no reason given"
        raise Refused("withdrawn", f"{withdrawn.name} takes the contribution back ({reason}); it is not used")
    path = _named(by_name, CONSENT)
    if path is None:
        raise Refused(
            "no_consent", f"there is no {CONSENT[0]}; expected one with {', '.join(FIELDS)}; ask the speakers"
        )
    fields = _fields(path)
    _check(path.name, fields)
    spdx, place, statement = _spdx(path, fields, _named(by_name, LICENCE))
    signed = (
        f"{path.name}: signed_by {fields['signed_by']}, {fields['date']}, scope {', '.join(_list(fields['scope']))}"
    )
    return Consent(licence=Licence(name=spdx, evidence=f"{place}: {statement}; {signed}"))


def _check(name: str, fields: Mapping[str, Any]) -> None:
    missing = [field for field in FIELDS if not _list(fields.get(field))]
    if missing:
        raise Refused(
            "no_consent", f"{name} lacks {missing[0]!r}; expected {', '.join(FIELDS)}; ask the speakers and add it"
        )
    stated = _list(fields["date"])[0]
    try:
        date.fromisoformat(stated[:10])
    except ValueError as error:
        raise Refused("no_consent", f"{name} has date {stated[:40]!r}; expected YYYY-MM-DD; mend it") from error
    scope = ", ".join(_list(fields["scope"])).lower()
    if "training" not in scope.split(", "):
        raise Refused("no_consent", f"{name} has scope {scope[:80]!r}; expected 'training' among it; ask the speakers")


def _spdx(consent: Path, fields: Mapping[str, Any], file: Path | None) -> tuple[str, str, str]:
    """Return the licence's id, the file that states it, and the statement."""
    stated = _list(fields.get("license")) or _list(fields.get("licence"))
    place, statement = (consent, stated[0]) if stated else (file, "")
    if place is None:
        raise Refused(
            "no_license",
            f"{consent.name} lacks 'license' and there is no file LICENSE; expected an SPDX id as CC-BY-4.0; add it",
        )
    if not stated:
        text = _text(place)
        tag = _TAG.search(text)
        statement = tag[1] if tag else text.strip()
    if not _SPDX.fullmatch(statement):
        raise Refused(
            "no_license",
            f"{place.name} states {statement[:60]!r}; expected an SPDX id as CC-BY-4.0 or CC0-1.0, "
            "alone or after 'SPDX-License-Identifier:'; mend it",
        )
    return statement, place.name, f"license: {statement}"


def _fields(path: Path) -> Mapping[str, Any]:
    try:
        value: Any = yaml.load(_text(path), Loader=yaml.CBaseLoader)  # JSON is YAML; every scalar is text
    except (yaml.YAMLError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else "nested too deep"
        raise Refused(
            "no_consent", f"{path.name} cannot be read: {first[:120]}; expected YAML or JSON; mend it"
        ) from error
    if not isinstance(value, dict):
        raise Refused("no_consent", f"{path.name} holds no fields; expected {', '.join(FIELDS)}; fill it in")
    return cast(Mapping[str, Any], value)


def _list(value: Any) -> list[str]:
    values = cast(list[Any], value) if isinstance(value, list) else [value]
    return [item.strip() for item in values if isinstance(item, str) and item.strip() not in _NOTHING]


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_BYTES).decode("utf-8-sig", "replace")


def _named(by_name: Mapping[str, Path], names: Sequence[str]) -> Path | None:
    return next((by_name[name] for name in names if name in by_name), None)
