"""Results as a person reads them: lines for the terminal, and one HTML page with its pictures inside."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobs.evaluating.checkpoints import Answers, spread
from model.evaluation.bootstrap import Difference, Estimate
from model.evaluation.normalisers import BASIC, WHISPER
from model.evaluation.results import ALL, CLEAN, Comparison

Row = Mapping[str, Any]
# What a table shows, and its heading; the rest is in the parquet.
SHOWN = {
    ("wer", BASIC): "wer",
    ("cer", BASIC): "cer",
    ("wer", WHISPER): "wer whisper",
    ("bleu", "sacrebleu-13a"): "bleu",
    ("chrf", "sacrebleu-chrf2"): "chrf",
    ("accuracy", "none"): "accuracy",
    ("loss", "none"): "loss",
    ("inserted", BASIC): "inserted",
    ("repeated", BASIC): "repeated",
    ("hallucinated", BASIC): "hallucinated",
    ("words_per_min", BASIC): "words/min",
    ("timing_ms", BASIC): "timing ms",
    ("timing_close", BASIC): "in 200 ms",
}
COMPARED = (*tuple(SHOWN)[:7], ("hallucinated", BASIC))
STYLE = (
    "body{font:14px system-ui;max-width:72rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse}"
    "th,td{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:right}th:first-child,td:first-child,"
    "td.text{text-align:left}small{color:#666}img{max-width:100%}td.text{max-width:28rem}"
)


def examples(answers: Answers, number: int) -> list[tuple[str, str, str]]:
    """Return answers beside their references, of every task and language in turn."""
    spoken = [one for utterances in answers.values() for one in utterances if one.item.text]
    ordered = sorted(spoken, key=lambda one: (one.item.lang, one.item.task))
    return [
        (f"{one.item.task} {one.item.lang}", one.item.text, one.hypothesis)
        for one in (spread(ordered, number) if number else [])
    ]


def terminal_lines(rows: Sequence[Row]) -> list[str]:
    """Return the results as text, a line for each set, condition, task, language and source, with no empty column."""
    table = _table(rows)
    columns = [name for name in SHOWN.values() if any(name in cells for cells in table.values())]
    wide = max([len(_name(key)) for key in table] or [0]) + 2
    found = ["", "".ljust(wide) + f"{'n':>6}" + "".join(f"{name:>14}" for name in columns)]
    for key, cells in table.items():
        texts = (f"{cells[name]['value']:.3f}" if name in cells else "" for name in columns)
        number = next(iter(cells.values()))["num_utterances"]
        found.append(_name(key).ljust(wide) + f"{number:>6}" + "".join(f"{text:>14}" for text in texts))
    return found


def comparison_lines(name: str, rows: Iterable[Comparison]) -> list[str]:
    """Return what changes from the checkpoint to another, with intervals; a star where they leave out zero."""
    found = ["", f"against {name}: how much lower or higher it is (95 % interval, * where that leaves out no change)"]
    for row in rows:
        if (row.metric, row.normaliser) in COMPARED:
            place = f"{row.eval_set} {row.task}-{row.lang} {SHOWN[row.metric, row.normaliser]}"
            found.append(f"  {place:<44}{row.first:>8.3f} -> {row.second:<8.3f}{change(row.change)}")
    return found


def page(
    title: str,
    rows: Sequence[Row],
    compared: Mapping[str, Sequence[Comparison]],
    pictures: Mapping[str, bytes],
    examples: Sequence[tuple[str, str, str]],
) -> str:
    """Return the page: the tables, each comparison, the pictures, and answers beside their references."""
    parts = [f"<h1>{html.escape(title)}</h1>", _results_table(rows)]
    for name, found in compared.items():
        lines = [
            (f"{one.eval_set} {one.task}-{one.lang}", SHOWN[one.metric, one.normaliser])
            + (f"{one.first:.3f}", f"{one.second:.3f}", change(one.change))
            for one in found
            if (one.metric, one.normaliser) in COMPARED
        ]
        heading = (
            f"<h2>Against {html.escape(name)}</h2><p>On the same utterances; * where the interval leaves out 0.</p>"
        )
        parts += [heading, _html_table(("", "measure", "this", "that", "change"), lines)]
    parts += [picture(name, png) for name, png in pictures.items()]
    parts += ["<h2>What was said, and what was heard</h2>", _html_table(("", "said", "heard"), examples, is_text=True)]
    head = f"<!doctype html><meta charset='utf-8'><title>{html.escape(title)}</title><style>{STYLE}</style>"
    return head + "\n".join(parts) + "\n"


def _results_table(rows: Sequence[Row]) -> str:
    table = _table(rows)
    columns = [name for name in SHOWN.values() if any(name in cells for cells in table.values())]
    lines = [
        (_name(key), str(next(iter(cells.values()))["num_utterances"]), *(_cell(cells.get(name)) for name in columns))
        for key, cells in table.items()
    ]
    return _html_table(("", "n", *columns), lines)


def _table(rows: Sequence[Row]) -> dict[tuple[str, ...], dict[str, Row]]:
    """Return the rows to be shown, by where they belong and by column; of speech in noise only the whole."""
    table: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        column = SHOWN.get((row["metric"], row["normaliser"]))
        is_part = row["condition"] != CLEAN and (row["lang"] != ALL or row["task"] == "detect_language")
        if column is not None and not is_part:
            key = (row["eval_set"], row["condition"], row["task"], row["lang"], row["source"])
            table.setdefault(key, {})[column] = row
    return table


def _name(key: tuple[str, ...]) -> str:
    eval_set, condition, task, lang, source = key
    words = (eval_set, "" if condition == CLEAN else condition, task, lang, "" if source == ALL else source)
    return " ".join(word for word in words if word)


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    if row["low"] is None:
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} <small>{row['low']:.3f} to {row['high']:.3f}</small>"


def interval(one: Estimate | Difference, sign: str = "") -> str:
    """Write a value and its interval."""
    reach = "" if one.low is None or one.high is None else f" ({one.low:{sign}.3f} to {one.high:{sign}.3f})"
    return f"{one.value:{sign}.3f}{reach}"


def change(one: Estimate | Difference) -> str:
    """Write a difference and its interval, with a star where that leaves out no change."""
    is_sure = one.low is not None and one.high is not None and (one.low > 0 or one.high < 0)
    return interval(one, "+") + (" *" if is_sure else "")


def picture(title: str, png: bytes, note: str = "") -> str:
    """Write a picture into a page, under its heading."""
    name, source = html.escape(title), base64.b64encode(png).decode()
    said = f"<p>{html.escape(note)}</p>" if note else ""
    return f"<h2>{name}</h2>{said}<img alt='{name}' src='data:image/png;base64,{source}'>"


def _html_table(head: Sequence[str], lines: Iterable[Sequence[str]], is_text: bool = False) -> str:
    """Write a table; cells of text are escaped, others are ours."""
    kind = " class=text" if is_text else ""
    rows = (
        "<tr>" + "".join(f"<td{kind}>{html.escape(cell) if is_text else cell}</td>" for cell in line) + "</tr>"
        for line in lines
    )
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    return f"<table><tr>{heads}</tr>{''.join(rows)}</table>"
