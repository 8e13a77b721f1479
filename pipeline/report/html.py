"""The report as one page that needs nothing else: no script, no remote file, nothing unescaped."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.report import view, wording
from pipeline.report.summary import Summary


def to_html(summary: Summary) -> str:
    """Render the page; its policy lets the browser use the page's own style sheet and nothing else."""
    environment = _environment()
    css = environment.get_template("report.css.j2").render()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return environment.get_template("report.html.j2").render(
        summary=summary,
        data=asdict(summary),
        css=css,
        css_hash=f"sha256-{digest}",
        verdict=wording.verdict(summary),
        audio_steps=view.audio_steps(summary),
        recording_steps=view.recording_steps(summary),
        share=wording.share,
        hours_of=wording.hours_of,
        matrix=view.matrix,
        bars=view.bars,
        marks=view.marks,
        biggest=view.biggest,
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.report", "."),
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
        "fixed": "{:.2f}".format,
    }
    return environment
