"""What holds for every test: no connection leaves this machine."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse TCP connections to other machines; loopback and this machine's own address (Ray's) stay open."""
    connect = socket.socket.connect
    own = _own_addresses()

    def guarded(self: socket.socket, address: Any) -> None:
        is_tcp = self.family in {socket.AF_INET, socket.AF_INET6} and self.type & socket.SOCK_STREAM
        if is_tcp and not _is_local(str(address[0]), own):
            raise AssertionError(f"a test connects to {address[0]}; only loopback is allowed; use a local server")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _is_local(host: str, own: set[str]) -> bool:
    if host == "localhost" or host in own:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_addresses() -> set[str]:
    try:
        return set(socket.gethostbyname_ex(socket.gethostname())[2])
    except OSError:
        return set()
