"""A study as one HTML page that needs no network: pictures, each with a sentence, and the tables."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.evaluating.page import STYLE, picture
from jobs.studying.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG, the name of its file, a heading, and a sentence on how to read it."""

    name: str
    title: str
    note: str
    png: bytes


def page(title: str, facts: Sequence[str], pictures: Sequence[Picture], tables: Sequence[Table]) -> str:
    """Return the page: what was compared, then pictures, then tables."""
    name = html.escape(title)
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title><style>{STYLE}</style>"]
    parts += ["<meta name=viewport content='width=device-width'>", f"<h1>{name}</h1>", "<ul>"]
    parts += [f"<li>{html.escape(fact)}</li>" for fact in facts] + ["</ul>"]
    parts += [picture(one.title, one.png, one.note) for one in pictures]
    parts += [_table(one) for one in tables]
    return "\n".join(parts) + "\n</html>\n"


def _table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>\n" for cells in table.rows
    )
    return (
        f"<h2>{html.escape(table.title)}</h2><p>{html.escape(table.note)}</p>"
        f"<div style='overflow-x:auto'><table><tr>{head}</tr>\n{rows}</table></div>"
    )
