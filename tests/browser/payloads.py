"""Texts that try to become markup, script, style or an address, each marked so that it can be found in a page."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tests.pipeline.report.run import Tables, tables_of_run

_SHAPES = (
    "<script>{}</script>",
    "</script><script>{}</script>",
    "</SCRIPT ><script>{}</script>",
    "<!--<script>{}",
    "--><script>{}</script>",
    "<img src=x onerror={}>",
    "<img src='http://evil.test/a.png'>{}",
    "<svg onload={}>",
    "<svg><script>{}</script></svg>",
    "<svg><animate onbegin={} attributeName=x dur=1s>",
    "</title><script>{}</script>",
    "</style><script>{}</script>",
    "</textarea><script>{}</script>",
    "</option></select><script>{}</script>",
    "</table><img src=x onerror={}>",
    "<iframe src='javascript:{}'>",
    "<iframe srcdoc='<script>{}</script>'>",
    "<object data='http://evil.test/{}'>",
    "<embed src='http://evil.test/{}'>",
    "<link rel=stylesheet href='http://evil.test/{}.css'>",
    "<style>@import 'http://evil.test/{}.css';</style>",
    "<style>*{{background:url(http://evil.test/{})}}</style>",
    "<base href='http://evil.test/{}/'>",
    "<meta http-equiv=refresh content='0;url=http://evil.test/{}'>",
    "<form action='http://evil.test/{}'><input autofocus onfocus=alert(1)>",
    "<a href='javascript:{}'>press</a>",
    "<video><source onerror={}></video>",
    "<audio src=x onerror={}>",
    "<details open ontoggle={}>",
    "<body onload={}>",
    '" onmouseover="{}" x="',
    "' onfocus='{}' autofocus x='",
    '"><img src=x onerror={}>',
    "javascript:{}",
    "data:text/html,<script>{}</script>",
    "{{{{ 7 * 7 }}}} {{% include '/etc/passwd' %}} {}",
    "${{{}}} `{}`",
    "\\u003cscript\\u003e{}\\u003c/script\\u003e",
    "&lt;script&gt;{}&lt;/script&gt; &#x3c;img src=x&#x3e;",
    "]]><script>{}</script>\u2028\u2029<!ENTITY x SYSTEM 'http://evil.test/{}'>",
)
PAYLOADS = tuple(
    shape.replace("{}", f"window.hit={number}").replace("{{", "{").replace("}}", "}")
    for number, shape in enumerate(_SHAPES)
)


def hostile() -> Tables:
    """Build a run in which every text of the web, and every name the web can choose, is one of the payloads.

    Each payload is the text of a rejected window and of a failed recording.
    """
    tables = tables_of_run()
    found: Tables = {}
    for name, table in tables.items():
        [row] = table.slice(0, 1).to_pylist()
        rows = [_as(name, _hostile(row, number)) for number in range(len(PAYLOADS))]
        if name in {"candidate", "recording", "ledger"}:
            rows += [_failed(row, number) for number in range(len(PAYLOADS))]
        found[name] = pa.Table.from_pylist(rows, schema=table.schema)
    return found


_TEXTS = (
    *("title", "text", "license", "source", "host", "status_detail", "audio_url", "page_url", "seed_url", "lang"),
    *("reason", "declared_lang", "eval_set", "eval_item", "text_lang", "caption_status", "origin_evidence"),
    *("claimed_lang", "audio_lang", "robots_verdict", "split", "method"),
)


def _hostile(row: dict[str, Any], number: int) -> dict[str, Any]:
    own = row | {key: PAYLOADS[number] for key in _TEXTS if key in row}
    own |= {key: f"r{number}" for key in ("candidate_id", "recording_id") if key in row}
    return own | ({"segment_id": f"r{number}:0"} if "segment_id" in row else {})


def _failed(row: dict[str, Any], number: int) -> dict[str, Any]:
    own = _hostile(row, number) | {key: f"f{number}" for key in ("candidate_id", "recording_id") if key in row}
    state = {"state": "taken_down"} if "state" in row else {}
    return own | state | ({"status": PAYLOADS[number], "duration_ms": None} if "status" in row else {})


def _as(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Reject every window for its payload, and let every candidate be refused for it."""
    payload = row.get("title") or row.get("reason") or row.get("method") or ""
    if name == "decision":
        return row | {"duration_ms": 2000, "kept": False, "reasons": [payload], "kind": None, "tasks": []}
    if name == "segment":
        return row | {"end_ms": 2000, "cues": [{"start_ms": 0, "end_ms": 900, "text": row["text"]}]}
    if name == "cluster":
        return row | {"is_representative": False, "partner_id": row["segment_id"].partition(":")[0]}
    if name == "ledger":
        return row | {"state": "opted_out"}
    return row
