"""Addresses a crawler must never connect to, in every spelling, and a resolver that lies."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

PUBLIC = "93.184.216.34"
ABROAD = "2606:2800:220:1:248:1893:25c8:1946"

SPELLINGS: Mapping[str, str] = {
    "loopback": "http://127.0.0.1:{port}/",
    "loopback_other": "http://127.0.0.99:{port}/",
    "short": "http://127.1:{port}/",
    "decimal": "http://2130706433:{port}/",
    "octal": "http://0177.0.0.1:{port}/",
    "octal_whole": "http://017700000001:{port}/",
    "hex": "http://0x7f.0.0.1:{port}/",
    "hex_short": "http://0x7f.1:{port}/",
    "hex_whole": "http://0x7f000001:{port}/",
    "zero": "http://0:{port}/",
    "any_address": "http://0.0.0.0:{port}/",
    "ideographic_stops": "http://127。0。0。1:{port}/",
    "circled_digits": "http://①②⑦.⓪.⓪.①:{port}/",
    "fullwidth_digits": "http://１２７.０.０.１:{port}/",
    "localhost": "http://localhost:{port}/",
    "localhost_capital": "http://LOCALHOST:{port}/",
    "localhost_dot": "http://localhost.:{port}/",
    "ipv6_loopback": "http://[::1]:{port}/",
    "ipv6_any": "http://[::]:{port}/",
    "ipv6_long": "http://[0:0:0:0:0:0:0:1]:{port}/",
    "ipv6_mapped": "http://[::ffff:127.0.0.1]:{port}/",
    "ipv6_mapped_hex": "http://[::ffff:7f00:1]:{port}/",
    "ipv6_compatible": "http://[::127.0.0.1]:{port}/",
    "nat64": "http://[64:ff9b::7f00:1]/",
    "nat64_local": "http://[64:ff9b:1::7f00:1]/",
    "six_to_four": "http://[2002:7f00:1::]/",
    "teredo": "http://[2001:0:7f00:1::80ff:fffe]/",
    "unique_local": "http://[fd00:ec2::254]/latest/meta-data/",
    "link_local_scoped": "http://[fe80::1%25lo]:{port}/",
    "link_local": "http://169.254.1.1/",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "metadata_decimal": "http://2852039166/latest/meta-data/",
    "metadata_name": "http://metadata.google.internal/",
    "private_10": "http://10.0.0.1/",
    "private_172": "http://172.16.0.1/",
    "private_192": "http://192.168.0.1/",
    "carrier_nat": "http://100.64.0.1/",
    "multicast": "http://224.0.0.1/",
    "multicast_ipv6": "http://[ff02::1]/",
    "broadcast": "http://255.255.255.255/",
    "credentials": "http://user:secret@127.0.0.1:{port}/",
    "name_as_credentials": "http://public.test@127.0.0.1:{port}/",
    "backslash": "http://127.0.0.1:{port}\\@public.test/",
    "ssh_port": f"http://{PUBLIC}:22/",
    "mail_port": "http://public.test:25/",
    "name_of_loopback": "http://inside.test:{port}/",
    "name_of_ipv6_loopback": "http://inside6.test:{port}/",
    "name_of_both": "http://both.test:8080/",
    "name_that_turns": "http://turns.test:8080/",
    "file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:{port}/",
}


def lying_resolver() -> Callable[..., list[Any]]:
    """Make a getaddrinfo whose names lead inside: at once, together with a public address, or from the second time."""
    system, num_asked = socket.getaddrinfo, dict[str, int]()
    names = {
        "localhost": ["127.0.0.1", "::1"],
        "public.test": [PUBLIC],
        "inside.test": ["127.0.0.1"],
        "inside6.test": ["::1"],
        "both.test": [PUBLIC, "127.0.0.1"],
        "metadata.google.internal": ["169.254.169.254"],
    }

    def resolve(host: Any, port: Any, *rest: Any, **options: Any) -> list[Any]:
        name = str(host).lower().rstrip(".")
        num_asked[name] = num_asked.get(name, 0) + 1
        if name == "turns.test":
            return _answers([PUBLIC if num_asked[name] == 1 else "127.0.0.1"], port)
        if name in names:
            return _answers(names[name], port)
        if not _is_address(name):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return system(host, port, *rest, **options)

    return resolve


def _is_address(name: str) -> bool:
    """Tell whether resolving asks nobody: every form of an address that inet_aton takes, and IPv6."""
    try:
        socket.inet_aton(name)
    except OSError:
        return ":" in name
    return True


def _answers(addresses: list[str], port: Any) -> list[Any]:
    return [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (item, int(port or 0), 0, 0))
        if ":" in item
        else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (item, int(port or 0)))
        for item in addresses
    ]
