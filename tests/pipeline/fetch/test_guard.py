"""Only public addresses are connected to, however they are spelt."""

from __future__ import annotations

import asyncio
import socket

import pytest

from pipeline.fetch.guard import NOT_PUBLIC, PinnedResolver, is_blocked, is_public, socket_factory


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "100.64.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b:1::7f00:1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::80ff:fffe",
    ],
)
def test_every_spelling_of_a_private_address_is_refused(address: str) -> None:
    assert not is_public(address)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with pytest.raises(OSError, match=NOT_PUBLIC):
        socket_factory({}, allow_private=False)((family, socket.SOCK_STREAM, 0, "", (address, 80)))


@pytest.mark.parametrize(("port", "is_open"), [(80, True), (443, True), (8080, True), (22, False), (6379, False)])
def test_public_hosts_are_asked_at_the_ports_of_the_web_only(port: int, is_open: bool) -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("93.184.216.34", port))
    if is_open:
        socket_factory({}, allow_private=False)(info).close()
        return
    with pytest.raises(OSError, match=f"{port} is not a port of the web; those are .80, 443, 8080.") as refusal:
        socket_factory({}, allow_private=False)(info)
    assert is_blocked(refusal.value)
    socket_factory({}, allow_private=True)(info).close()


def test_a_pin_opens_one_address_and_port_and_nothing_beside_it() -> None:
    create = socket_factory({"demo.test": "127.0.0.1:8123"}, allow_private=False)
    create((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 8123))).close()
    with pytest.raises(OSError, match=NOT_PUBLIC):
        create((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 8124)))


def test_a_pinned_host_resolves_to_its_pin() -> None:
    found = asyncio.run(PinnedResolver({"demo.test": "127.0.0.1:8123"}).resolve("demo.test", 80))
    assert [(item["host"], item["port"]) for item in found] == [("127.0.0.1", 8123)]
