"""What holds for every test: no connection leaves this machine, and a bucket is on it too."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import boto3
import fsspec
import pytest
from moto.server import ThreadedMotoServer


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


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve an empty bucket, and give the address of a folder in it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    boto3.client("s3").create_bucket(Bucket="corpus")
    yield "s3://corpus/data"
    fsspec.filesystem("s3").rm("corpus", recursive=True)
    fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


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
