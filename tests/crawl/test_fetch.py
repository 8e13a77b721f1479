"""Bad transfers get their verdict: cut ones are resumed, what may pass is tried again, nothing half is kept."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.fetch.answers import Answer
from pipeline.fetch.crawl import Ask, open_crawl
from pipeline.fetch.http import HttpOptions
from tests.crawl.crawling import Crawled, crawl, leftovers
from tests.faults import judge
from tests.faults.bad_answer import BadAnswer, sound
from tests.faults.fetch import FETCH
from tests.faults.replies import body, reset, status
from tests.faults.server import Reply, Routes, serve

NAME = "secure.test"
ATTEMPTS = 2
DAY = datetime.timedelta(days=1)
ROUTES: Routes = {NAME: {"/a": body(sound(), "audio/flac")}}


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    return crawl(FETCH, tmp_path_factory.mktemp("blobs"))


@pytest.mark.parametrize("case", FETCH, ids=lambda case: case.name)
def test_a_bad_transfer_gets_its_verdict(crawled: Crawled, case: BadAnswer) -> None:
    crawled.check(case)


def test_nothing_half_is_left_and_nothing_was_asked_that_robots_disallows(crawled: Crawled) -> None:
    assert leftovers(Path(crawled.blobs_uri)) == []
    assert judge.disallowed(crawled.web.log) == judge.robots_again(crawled.web.log) == []


def ask(pin: str, number: int, folder: Path, scheme: str = "https", name: str = NAME) -> list[Answer]:
    """Ask a host for some files, one after the other."""
    options = HttpOptions(contact="+me", delay_s=0.0, timeout_s=1.0, attempts=ATTEMPTS, pins={NAME: pin})

    async def run() -> list[Answer]:
        async with open_crawl(options, str(folder)) as crawl:
            return [await crawl.get(Ask(url=f"{scheme}://{name}/{item}", kind="audio")) for item in range(number)]

    return asyncio.run(run())


def test_garbage_where_tls_should_be_is_a_tls_error(tmp_path: Path) -> None:
    with serve(ROUTES) as web:
        [answer] = ask(web.pins[NAME], 1, tmp_path)
    assert (answer.status, answer.is_retryable) == ("tls", False), answer.detail


def test_a_certificate_nobody_signed_is_a_tls_error(tmp_path: Path) -> None:
    with serve(ROUTES, self_signed(tmp_path)) as web:
        [answer] = ask(web.pins[NAME], 1, tmp_path)
    assert (answer.status, answer.is_retryable, web.log) == ("tls", False, []), answer.detail


def test_a_name_that_does_not_resolve_may_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    [answer] = ask("127.0.0.1:1", 1, tmp_path, "http", "nowhere.test")
    assert (answer.status, answer.is_retryable) == ("dns", True), answer.detail


def test_a_host_that_cannot_be_reached_is_soon_let_alone(tmp_path: Path, hung_up: tuple[str, list[int]]) -> None:
    pin, connections = hung_up
    answers = ask(pin, 8, tmp_path, "http")
    assert all(answer.is_retryable and answer.status != "ok" for answer in answers)
    assert len(connections) <= 3


@pytest.mark.parametrize(
    ("reply", "first", "then", "requests"),
    [(reset(), "network", "host_unreachable", 3 * ATTEMPTS), (status(403), "http_403", "host_refused", 3)],
)
def test_a_host_that_only_fails_or_refuses_is_asked_for_three_files(
    tmp_path: Path, reply: Reply, first: str, then: str, requests: int
) -> None:
    with serve({NAME: {f"/{item}": reply for item in range(8)}}) as web:
        answers = ask(web.pins[NAME], 8, tmp_path, "http")
    assert {answer.status for answer in answers} <= {first, then}
    assert [answer.status for answer in answers[3:]] == [then] * 5
    assert len([item for item in web.log if item.path[1:].isdigit()]) == requests


@pytest.fixture
def hung_up(monkeypatch: pytest.MonkeyPatch) -> Generator[tuple[str, list[int]]]:
    """Give a port where nobody listens, and count who knocks."""
    knocks: list[int] = []
    connect = socket.socket.connect

    def counting(self: socket.socket, address: Any) -> None:
        knocks.append(address[1])
        connect(self, address)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setattr(socket.socket, "connect", counting)
    yield f"127.0.0.1:{port}", knocks


def self_signed(folder: Path) -> ssl.SSLContext:
    """Make a certificate for NAME that no authority knows."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string(f"CN={NAME}")
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + DAY)
    certificate = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(
        private + certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "key.pem")
    return context
