"""What is published holds no credentials, and what is no secret stays as it is."""

from __future__ import annotations

import pytest

from pipeline.redact import public_url, secrets_in


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://user:pass@a.test/1.mp3", "https://a.test/1.mp3"),
        ("https://a.test/1.mp3?id=7&token=abc&x=", "https://a.test/1.mp3?id=7&x="),
        ("https://a.test/1.mp3?X-Amz-Signature=abc&X-Amz-Expires=9", "https://a.test/1.mp3"),
        ("https://a.test/1.mp3?Expires=1&Signature=b&Key-Pair-Id=c", "https://a.test/1.mp3"),
        ("https://a.test/1.mp3?id=7&x=%20y", "https://a.test/1.mp3?id=7&x=%20y"),
        ("https://a.test/1.mp3?tokens=3&design=x&token=", "https://a.test/1.mp3?tokens=3&design=x&token="),
        ("/local/file@home.mp3", "/local/file@home.mp3"),
        ("http://[broken?token=a", "http://[broken?token=a"),
    ],
)
def test_an_address_is_published_without_its_credentials(url: str, public: str) -> None:
    assert public_url(url) == public
    assert secrets_in(f'see "{public}".') == []


@pytest.mark.parametrize(
    "text",
    [
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "ghp_" + "a" * 36,
        "hf_" + "b" * 34,
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "https://user:pass@a.test/",
        'x="https://a.test/1?token=abc"',
    ],
)
def test_a_secret_is_found_and_not_repeated_whole(text: str) -> None:
    [found] = secrets_in(f"words {text} words")
    assert text not in found and "pass" not in found


def test_ordinary_words_are_no_secret() -> None:
    assert secrets_in("The ask-me-anything session of task-force AKIA; mail user@a.test or https://a.test/?q=1") == []
