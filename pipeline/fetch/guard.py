"""Connect only where a crawler may: the address is checked on the socket that is about to be used.

Checking names or URLs before resolving them is not enough (rebinding, IP literals, NAT64); the guard sits at the
last step, so redirects and robots.txt pass through it too.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NOT_PUBLIC = "is not a public address"
NOT_OF_THE_WEB = "is not a port of the web"
PORTS = frozenset({80, 443, 8080})
NAT64 = ipaddress.ip_network("64:ff9b::/96")
LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215: what it leads to is a network's own business


class PinnedResolver(AbstractResolver):
    """Resolve names as usual, except those pinned to an 'address:port' (as curl's --connect-to does)."""

    def __init__(self, pins: Mapping[str, str]) -> None:
        """Keep the pins, host name to 'address:port'."""
        self._pins = pins
        self._system: ThreadedResolver | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host."""
        pin = self._pins.get(host)
        if pin is None:
            self._system = self._system or ThreadedResolver()
            return await self._system.resolve(host, port, family)
        address, _, pinned_port = pin.rpartition(":")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=int(pinned_port),
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Close the system resolver."""
        if self._system is not None:
            await self._system.close()


def socket_factory(pins: Mapping[str, str], allow_private: bool) -> Callable[[Any], socket.socket]:
    """Make aiohttp's socket factory, which raises OSError before a forbidden connect."""
    pinned = {(pin.rpartition(":")[0], int(pin.rpartition(":")[2])) for pin in pins.values()}

    def create(info: Any) -> socket.socket:
        family, kind, protocol, _, target = info
        address, port = str(target[0]), int(target[1])
        if not allow_private and (address, port) not in pinned:
            _check(address, port)
        return socket.socket(family=family, type=kind, proto=protocol)

    return create


def is_blocked(error: BaseException) -> bool:
    """Tell whether a failed connection is the guard's doing: aiohttp wraps what the factory raises, and joins texts."""
    return NOT_PUBLIC in str(error) or NOT_OF_THE_WEB in str(error)


def is_public(address: str) -> bool:
    """Tell whether an address is on the public Internet, looking through NAT64, 6to4, Teredo and mapped forms."""
    outer = ipaddress.ip_address(address.partition("%")[0])
    return outer not in LOCAL_NAT64 and all(
        item.is_global and not item.is_multicast for item in (outer, *_embedded(outer))
    )


def _check(address: str, port: int) -> None:
    if not is_public(address):
        raise OSError(errno.EACCES, f"{address} {NOT_PUBLIC}")
    if port not in PORTS:
        raise OSError(errno.EACCES, f"{port} {NOT_OF_THE_WEB}; those are {sorted(PORTS)}")


def _embedded(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    inner: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [item for item in inner if item is not None]
