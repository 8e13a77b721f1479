"""The settings of fetching make sense, and nobody's host is asked without saying who asks."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.fetch.http import HttpOptions, require_contact


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"delay_s": -1.0}, "fetch.http.delay_s -1.0 is out of range; expected at least 0.0; mend the setting"),
        ({"min_bytes_per_s": -1}, "fetch.http.min_bytes_per_s -1 is out of range; expected at least 0"),
        ({"attempts": 0}, "fetch.http.attempts 0 is out of range; expected more than 0"),
        ({"connections": 0}, "fetch.http.connections 0 is out of range"),
        ({"timeout_s": 0.0}, "fetch.http.timeout_s 0.0 is out of range"),
        ({"max_bytes": 0}, "fetch.http.max_bytes 0 is out of range"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        HttpOptions(**setting)


def test_the_user_agent_says_who_asks_and_whom_to_write_to() -> None:
    assert HttpOptions().user_agent == "sotto/0.1"
    assert (
        HttpOptions(contact="+https://a.test/bot; me@a.test").user_agent == "sotto/0.1 (+https://a.test/bot; me@a.test)"
    )


@pytest.mark.parametrize(
    "allowed", [{"contact": "+me"}, {"allow_private": True}, {"pins": {"theirs.test": "127.0.0.1:1"}}]
)
def test_a_contact_is_needed_for_hosts_that_are_not_ours(allowed: dict[str, Any]) -> None:
    urls = ["/local", "s3://bucket/a", "http://theirs.test/a", "blob:0"]
    with pytest.raises(UserError, match="host 'theirs.test' would be fetched from without a contact"):
        require_contact(urls, HttpOptions())
    require_contact(urls, HttpOptions(**allowed))
