"""The errors Sotto raises for people and for data: what, value, what is expected, next step."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake the user can mend; the message says what, the value, what is expected and the next step."""


class DataError(Exception):
    """Data too bad to go on with (a share above its limit, a damaged artifact); names the thing that is bad."""


class QuarantineError(DataError):
    """Units that failed again and again were set aside, and the others are done: the next run tries only these."""


def unknown_name(what: str, value: str, known: Iterable[str]) -> UserError:
    """Build the error for a name that does not exist, with the nearest valid name as the next step."""
    names = sorted(known)
    near = difflib.get_close_matches(value, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "choose one of these"
    return UserError(f"{what} {value!r} does not exist; have {names}; {hint}")
