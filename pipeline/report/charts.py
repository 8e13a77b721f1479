"""Distributions as static SVG, drawn by Vega-Lite: no script in the page, and colours that follow its style sheet.

Vega writes colours as attributes, which CSS variables are allowed in and a content policy lets through; so one
picture is right in light and dark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

import vl_convert as vlc
from markupsafe import Markup

from pipeline.report.signals import Signal

WIDTH, HEIGHT = 286, 84
_VERSION = "5.21"
_PLACES = re.compile(r'(?<= d=")[^"]*|(?<=translate\()[^)]*')
_LONG_NUMBER = re.compile(r"(\d+\.\d)\d+")
_HEAD = re.compile(r"^<svg [^>]*?(?=viewBox)")
# What says nothing here: empty shapes, names for scripts, and values that are the default.
_IDLE = re.compile(
    r'<path class="(?:background|foreground)"[^>]*/>| (?:class|role|aria-[a-z]+|pointer-events)="[^"]*"'
    r'| opacity="1"| stroke-width="1"'
)

_CONFIG: Mapping[str, Any] = {
    "aria": False,
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "gridColor": "var(--line)",
        "labelFontSize": 10,
        "title": None,
    },
    "axisX": {"grid": False, "tickSize": 4, "tickCount": 5, "labelOverlap": True},
    "axisY": {"domain": False, "ticks": False, "tickCount": 3, "labelPadding": 4},
}


def distribution(signal: Signal) -> Markup:
    """Draw a signal's histogram of kept and rejected windows with its limits; '' without values or for yes and no."""
    if not signal.bins or signal.is_bool:
        return Markup("")
    svg = vlc.vegalite_to_svg(_spec(signal), vl_version=_VERSION)
    label = escape(f"Distribution of {signal.column}", quote=True)
    slim = _PLACES.sub(lambda found: _LONG_NUMBER.sub(r"\1", found.group()), _IDLE.sub("", svg))
    slim = _HEAD.sub(f'<svg class="plot" role="img" aria-label="{label}" ', slim)
    # Drawn from numbers and names of our own columns: nothing of the web's is in it.
    return Markup(slim)  # noqa: S704


def _spec(signal: Signal) -> dict[str, Any]:
    low, high = signal.bins[0].start, signal.bins[-1].end
    scale = {"domain": [low, high], "nice": False}
    x = {"field": "x", "type": "quantitative", "scale": scale, "axis": {"format": "~s"} if high >= 10_000 else {}}
    y = {"field": "y", "type": "quantitative", "scale": {"type": "sqrt"}, "axis": {"format": "~s"}, "stack": None}
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "padding": 2,
        "config": _CONFIG,
        "layer": [
            _zones(signal, x),
            *(_area(signal, name, {"x": x, "y": y}) for name in ("kept", "rejected")),
            _limits(signal, x),
        ],
    }


def _area(signal: Signal, name: str, encoding: Mapping[str, Any]) -> dict[str, Any]:
    points = [{"x": item.start, "y": getattr(item, f"num_{name}")} for item in signal.bins]
    points.append({"x": signal.bins[-1].end, "y": points[-1]["y"]})
    mark = {"type": "area", "interpolate": "step-after", "color": f"var(--{name})", "opacity": 0.85}
    return {"data": {"values": points}, "mark": mark, "encoding": encoding}


def _zones(signal: Signal, x: Mapping[str, Any]) -> dict[str, Any]:
    """Shade what the rules reject."""
    low, high = x["scale"]["domain"]
    ends = {"min": lambda limit: (low, limit), "max": lambda limit: (limit, high)}
    zones = [
        dict(zip(("x", "end"), ends[side](float(limit)), strict=True))
        for item in signal.thresholds
        for side, limit in item.keep.items()
        if side in ends and low < float(limit) < high
    ]
    encoding = {"x": x, "x2": {"field": "end"}}
    mark = {"type": "rect", "color": "var(--rejected)", "opacity": 0.12}
    return {"data": {"values": zones}, "mark": mark, "encoding": encoding}


def _limits(signal: Signal, x: Mapping[str, Any]) -> dict[str, Any]:
    low, high = x["scale"]["domain"]
    limits = (float(limit) for item in signal.thresholds for limit in item.keep.values())
    places = [{"x": limit} for limit in limits if low <= limit <= high]
    mark = {"type": "rule", "color": "var(--ink)", "strokeDash": [4, 3], "strokeWidth": 1.5}
    return {"data": {"values": places}, "mark": mark, "encoding": {"x": x}}
