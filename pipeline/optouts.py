"""Find refusals to be used for training: in robots.txt, ai.txt, TDMRep, RSL terms, HTTP headers and HTML.

Every function returns the refusing statements as they stand, and nothing where there is none; what cannot be read as
the format it should be refuses nothing. Whether we may fetch at all is the Robots Exclusion Protocol's business, and
not decided here.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] (it is compiled)

PRODUCT = "sotto"

# Who refuses these refuses training. Names as their operators publish them (2026-11).
AI_AGENTS = (
    "ai2bot",
    "amazonbot",
    "anthropic-ai",
    "applebot-extended",
    "bytespider",
    "ccbot",
    "claude-web",
    "claudebot",
    "cohere-ai",
    "cohere-training-data-crawler",
    "deepseekbot",
    "diffbot",
    "facebookbot",
    "google-cloudvertexbot",
    "google-extended",
    "gptbot",
    "img2dataset",
    "meta-externalagent",
    "mistralai-user",
    "omgili",
    "omgilibot",
    "pangubot",
    "perplexitybot",
    "timpibot",
    "webzio-extended",
)

_HEADER_DIRECTIVES = frozenset({"noai", "noimageai", "noindex"})
_META_DIRECTIVES = frozenset({"noai", "noimageai"})  # noindex on a page speaks of the page, not of its audio
_VALUED_DIRECTIVES = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
# AIPREF's word for training, the earlier drafts' and Content Signals', and the wider uses that include it.
_TRAINING_KEYS = frozenset({"train-ai", "ai-train", "train-genai", "genai", "ai", "tdm", "bots", "all"})
TRAINING_USES = frozenset({"ai-train", "train-ai", "ai-all", "all"})
_FREE_PAYMENTS = frozenset({"", "free", "attribution"})
_MAX_XML_BYTES = 1 << 20
_BOMS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_META = re.compile(r"<meta\b[^<>]{0,2000}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([a-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_LICENSE = re.compile(r"^[ \t]*license[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_RULES = frozenset({"allow", "disallow"})
_PREFERENCES = frozenset({"content-usage", "content-signal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a robots.txt: `name` in lower case, and the text as it stands."""

    name: str
    value: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a robots.txt says to one agent: its line as it first stands, and the lines of all its groups."""

    head: str = ""
    lines: tuple[Line, ...] = ()


_ASKED = frozenset({"", "*", PRODUCT, *AI_AGENTS})
_NOBODY = Group()


def in_html(body: bytes) -> list[str]:
    """Return a page's refusing <meta> tags: robots (or our name) with noai and the like, and tdm-reservation 1."""
    encoding = next((name for bom, name in _BOMS if body.startswith(bom)), "utf-8")
    tags = (match[0] for match in _META.finditer(body.decode(encoding, "replace")))
    return list(dict.fromkeys(tag for tag in tags if _meta_refuses(tag)))


def in_headers(headers: Iterable[tuple[str, str]]) -> list[str]:
    """Return the refusing headers of an answer, as 'Name: value'."""
    return [f"{name}: {value}" for name, value in headers if _header_refuses(name.lower(), value)]


def in_robots(text: str, path: str, agents: Sequence[str] = AI_AGENTS) -> list[str]:
    """Return what a robots.txt says against training on a path (with its query).

    Those of the AI agents that may not have the path while anybody may; and the usage preferences of the groups that
    hold for us, where the longest matching path decides, as in AIPREF's draft of September 2025.
    """
    groups = _groups(text)
    everybody = _decisive(groups.get("*", _NOBODY), path)
    is_open = everybody is None or everybody.name == "allow"
    found = list(_refused_agents(groups, agents, path)) if is_open else []
    lines = (*groups[""].lines, *_ours(groups).lines)
    for name in sorted(_PREFERENCES):
        stated = _longest([line for line in lines if line.name == name], path)
        found += [line.text for line in stated if _prefers_not(line.value)]
    return list(dict.fromkeys(found))


def rsl_links(text: str) -> list[str]:
    """Return the addresses of the RSL terms a robots.txt names, whichever group they stand in."""
    return list(dict.fromkeys(_LICENSE.findall(text)))


def in_ai_txt(text: str, path: str) -> list[str]:
    """Return the line of an ai.txt that refuses a path; its patterns may start with '*' ('Disallow: *.mp3')."""
    decisive = _decisive(_ours(_groups(text)), path)
    return [decisive.text] if decisive is not None and decisive.name == "disallow" else []


def in_tdmrep(body: bytes | str, path: str) -> list[str]:
    """Return the entry of a tdmrep.json that reserves a path; the first location that matches decides."""
    try:
        stated = json.loads(body)
    except (ValueError, RecursionError):
        return []
    for entry in cast(list[Any], stated if isinstance(stated, list) else [stated]):
        if isinstance(entry, dict) and _matches(str(cast(dict[str, Any], entry).get("location", "")), path):
            is_reserved = str(cast(dict[str, Any], entry).get("tdm-reservation")) == "1"
            return [json.dumps(entry, ensure_ascii=False)] if is_reserved else []
    return []


def in_rsl(body: bytes, path: str | None = None) -> list[str]:
    """Return what refuses training in RSL 1.0 terms, of all content or of that which holds for a path.

    Prohibited training, permits that leave it out, and a payment that is not free.
    """
    root = _xml_root(body)
    if root is None:
        return []
    contents = [item for item in root.iter() if _local(item) == "content" and _holds_for(item, path)]
    licenses = [item for content in contents for item in content.iter() if _local(item) == "license"]
    return list(dict.fromkeys(chain.from_iterable(map(_refusing_terms, licenses))))


def _meta_refuses(tag: str) -> bool:
    values = {match[1].lower(): match[2] or match[3] or match[4] or "" for match in _ATTRIBUTE.finditer(tag)}
    name, content = values.get("name", "").strip().lower(), values.get("content", "").strip().lower()
    if name == "tdm-reservation":
        return content == "1"
    return name in ("robots", PRODUCT) and bool(_META_DIRECTIVES & set(re.split(r"[\s,]+", content)))


def _header_refuses(name: str, value: str) -> bool:
    if name == "tdm-reservation":
        return value.strip() == "1"
    if name in _PREFERENCES:
        return _prefers_not(value)
    return name == "x-robots-tag" and any(
        agent in ("*", PRODUCT) and word in _HEADER_DIRECTIVES for agent, word in _directives(value)
    )


def _directives(value: str) -> Iterator[tuple[str, str]]:
    """Yield (agent, directive) of an X-Robots-Tag: 'a, agent: b, c' holds b and c for the agent."""
    agent = "*"
    for part in value.lower().split(","):
        head, colon, rest = part.partition(":")
        if colon and head.strip() not in _VALUED_DIRECTIVES:
            agent = head.strip()
        for word in (rest if colon else head).split():
            yield agent, word


def _prefers_not(value: str) -> bool:
    for statement in re.split(r"[\s,]+", value.lower()):
        key, _, wish = statement.partition("=")
        if key in _TRAINING_KEYS and wish.partition(";")[0] in ("n", "no"):
            return True
    return False


@lru_cache(maxsize=256)
def _groups(text: str) -> Mapping[str, Group]:
    """Return what a robots.txt says to each agent we ask about; to '' what stands before any agent."""
    heads: dict[str, str] = {"": ""}
    lines: dict[str, list[Line]] = {"": []}
    agents, is_open = [""], False
    for raw in text.removeprefix("\ufeff").splitlines():
        name, colon, value = raw.partition("#")[0].partition(":")
        line = Line(name=name.strip().lower(), value=value.strip(), text=raw.strip())
        if colon and line.name == "user-agent":
            agents, is_open = [*(agents if is_open else ()), line.value.lower()], True
            heads.setdefault(agents[-1], line.text)
            if agents[-1] in _ASKED:
                lines.setdefault(agents[-1], [])
        elif colon:
            is_open = False
            for agent in _ASKED.intersection(agents):
                lines[agent].append(line)
    return {agent: Group(head=heads[agent], lines=tuple(found)) for agent, found in lines.items()}


def _ours(groups: Mapping[str, Group]) -> Group:
    return groups.get(PRODUCT) or groups.get("*", _NOBODY)


def _refused_agents(groups: Mapping[str, Group], agents: Iterable[str], path: str) -> Iterator[str]:
    for agent in (name for name in agents if name in groups):
        decisive = _decisive(groups[agent], path)
        if decisive is not None and decisive.name == "disallow":
            yield f"{groups[agent].head} {decisive.text}"


def _decisive(group: Group, path: str) -> Line | None:
    """Return the rule that decides on a path: the longest, allow before disallow; None where none matches."""
    rules = [line for line in group.lines if line.name in _RULES and line.value and _matches(line.value, path)]
    return max(rules, key=lambda line: (len(line.value), line.name == "allow"), default=None)


def _longest(lines: Iterable[Line], path: str) -> list[Line]:
    """Keep the preferences with the longest path that matches; one without a path holds for all."""
    scored = [(len(pattern), line) for line in lines if not (pattern := _path_of(line)) or _matches(pattern, path)]
    most = max((length for length, _ in scored), default=0)
    return [line for length, line in scored if length == most]


def _path_of(line: Line) -> str:
    first = line.value.split(maxsplit=1)[0] if line.value else ""
    return first if first.startswith(("/", "*")) else ""


def _matches(pattern: str, path: str) -> bool:
    """Match a robots.txt pattern, where '*' is anything and a last '$' the end, in time linear in the path."""
    pattern, path = unquote(pattern), unquote(path)
    is_anchored = pattern.endswith("$")
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for number, piece in enumerate(others):
        is_last = number == len(others) - 1
        found = path.rfind(piece, at) if is_last and is_anchored else path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return at == len(path) or not is_anchored


def _xml_root(body: bytes) -> Any:
    if len(body) > _MAX_XML_BYTES or b"<!DOCTYPE" in body.upper():
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True)
    try:
        return etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _local(element: Any) -> str:
    return str(etree.QName(element).localname).lower() if isinstance(element.tag, str) else ""


def _holds_for(content: Any, path: str | None) -> bool:
    pattern = str(content.get("url") or "/")
    if "://" in pattern:
        parts = urlsplit(pattern)
        pattern = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return path is None or _matches(pattern, path)


def _refusing_terms(license_: Any) -> Iterator[str]:
    terms = [item for item in license_.iter() if _local(item) in ("permits", "prohibits", "payment")]
    permits = [item for item in terms if _local(item) == "permits" and item.get("type", "usage") == "usage"]
    for item in terms:
        uses = set(re.split(r"[\s,]+", (item.text or "").strip().lower()))
        forbids = _local(item) == "prohibits" and item.get("type", "usage") == "usage" and bool(uses & TRAINING_USES)
        is_paid = _local(item) == "payment" and (item.get("type") or "").lower() not in _FREE_PAYMENTS
        if forbids or is_paid:
            yield _written(item)
    allowed = {use for item in permits for use in re.split(r"[\s,]+", (item.text or "").strip().lower())}
    if permits and not allowed & TRAINING_USES:
        yield from map(_written, permits)


def _written(element: Any) -> str:
    return " ".join(etree.tostring(element, encoding="unicode", with_tail=False).split())
