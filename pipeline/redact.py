"""Keep secrets out of what is published: credentials in addresses, signed queries, keys in texts."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pipeline.hosts import is_web

SECRET_PARAMETER = re.compile(
    r"(^|[-_])(token|sig|signature|secret|password|passwd|pwd|apikey|api_key|access_?key|auth|authorization|credential"
    r"|credentials|session|sessionid|policy|key-pair-id|expires)$|^x-(amz|goog)-",
    re.IGNORECASE,
)
# Shapes their issuers document: cloud and forge keys, private keys, JSON web tokens.
SECRET = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[0-9A-Za-z]{36}|\bhf_[0-9A-Za-z]{30,}|\bsk-[0-9A-Za-z_-]{32,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\."
)
ADDRESS = re.compile(r"https?://[^\s\"'<>\\]+", re.IGNORECASE)


def public_url(url: str) -> str:
    """Return an address without user name, password and the parameters of a signature; others' stay as they are."""
    if not is_web(url) or not _has_secret(url):
        return url
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, True) if not SECRET_PARAMETER.search(name)]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, urlencode(query), parts.fragment))


def secrets_in(text: str) -> list[str]:
    """Return the secrets of a text, each cut to a few characters: keys by shape, addresses that are not public."""
    keys = [f"{found.group()[:8]}..." for found in SECRET.finditer(text)]
    return keys + [f"{public_url(url)[:60]} with credentials" for url in ADDRESS.findall(text) if _has_secret(url)]


def _has_secret(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    names = [name for name, value in parse_qsl(parts.query) if value]
    return "@" in parts.netloc or any(SECRET_PARAMETER.search(name) for name in names)
