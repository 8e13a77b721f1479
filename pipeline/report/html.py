"""The report as one page that needs nothing else: its own script and style by hash, sound and pictures in it.

The policy lets the browser run that script, use that style sheet, show what lies in the page, and ask nobody
for anything. Every value is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.redact import public_url
from pipeline.report import view, wording
from pipeline.report.changes import Changes
from pipeline.report.charts import distribution
from pipeline.report.clips import Room
from pipeline.report.summary import REJECTED, Summary

NO_LANGUAGE = "und"
SECTIONS = {
    "funnel": "Funnel",
    "languages": "Languages",
    "reasons": "Reasons",
    "truth": "Truth",
    "listen": "Listen",
    "signals": "Signals",
    "places": "Places",
    "duplicates": "Duplicates",
    "texts": "Texts",
    "rights": "Rights",
    "failures": "Failures",
    "changes": "Changes",
    "settings": "Settings",
}


def to_html(summary: Summary, room: Room, changes: Changes | None = None) -> str:
    """Render the page."""
    environment = _environment()
    css, script = (environment.get_template(f"page.{kind}.j2").render() for kind in ("css", "js"))
    absent = {name for name, there in (("truth", summary.truth), ("changes", changes)) if not there}
    page = environment.get_template("page.html.j2").render(
        summary=summary,
        room=room,
        changes=changes,
        data=asdict(summary),
        css=css,
        script=script,
        policy=_policy(css, script),
        sections=[(name, title) for name, title in SECTIONS.items() if name not in absent],
        verdict=wording.verdict(summary),
        num_languages=len({cell.row for cell in summary.by_language if cell.column != REJECTED} - {NO_LANGUAGE}),
        rules=[rule for signal in summary.signals for rule in signal.thresholds],
        view=view,
        wording=wording,
        distribution=distribution,
        in_rows=lambda value, whole: wording.count(value),
    )
    return page.lstrip()


def _policy(css: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_digest(css)}'; script-src '{_digest(script)}'; "
        "img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "hours": wording.hours,
        "count": wording.count,
        "size": wording.size,
        "clock": wording.clock,
        "words": wording.words,
        "number": wording.number,
        "public": public_url,
        "fixed": "{:.2f}".format,
    }
    return environment
