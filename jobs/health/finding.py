"""What a look at one thing found: fine, worth knowing, or in the way; and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

OK, NOTE, BAD = "ok", "note", "BAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `make doctor`; `advice` is what to do, empty where all is well."""

    name: str
    seen: str
    state: str = OK
    advice: str = ""


def lines(findings: list[Finding]) -> list[str]:
    """Write the findings in their order, advice below what needs it, and the count of what is in the way."""
    found: list[str] = []
    for finding in findings:
        found.append(f"{finding.state:<5} {finding.name:<14}{finding.seen}")
        found += [f"{'':<20}-> {finding.advice}"] * bool(finding.advice)
    num_bad = sum(finding.state == BAD for finding in findings)
    num_notes = sum(finding.state == NOTE for finding in findings)
    end = f"{num_bad} of {len(findings)} things are in the way" if num_bad else "nothing is in the way"
    return [*found, "", f"{end}, {num_notes} worth knowing"]
