"""Pictures of distributions: small, static, and coloured by the page's own style."""

from __future__ import annotations

import re

import pyarrow as pa
from lxml import etree

from pipeline.report.charts import distribution
from pipeline.report.inputs import Threshold
from pipeline.report.signals import Signal, signals

KEPT = pa.chunked_array([[True, True, False, False]])


def signal(values: pa.Array, *thresholds: Threshold) -> Signal:
    [found] = signals({"f": pa.table({"segment_id": list("abcd"), "x": values})}, KEPT, thresholds)
    return found


def test_a_chart_needs_no_style_no_script_and_no_address() -> None:
    limit = Threshold(reason="far", column="x", keep={"min": 0.5, "max": 2.5}, why="measured")
    svg = str(distribution(signal(pa.array([0.0, 1.0, 2.0, 3.0]), limit)))
    names = {element.tag.rpartition("}")[2] for element in etree.fromstring(svg.encode()).iter()}
    assert names <= {"svg", "g", "path", "line", "text"}
    assert not re.search(r"style=|href|url\(|<script| on\w+=", svg)
    assert {"var(--kept)", "var(--rejected)", "var(--ink)"} <= set(re.findall(r"var\(--\w+\)", svg))
    assert not re.search(r"#[0-9a-f]{3,6}\b", svg)
    assert len(svg) < 8_000


def test_labels_keep_their_digits() -> None:
    svg = str(distribution(signal(pa.array([0.01, 0.02, 0.03, 0.04]))))
    assert re.search(r">0\.0\d+<", svg)


def test_yes_and_no_and_nothing_are_not_drawn() -> None:
    assert distribution(signal(pa.array([True, True, False, None]))) == ""
    assert distribution(signal(pa.array([None] * 4, pa.float64()))) == ""
