"""What a misbehaving host serves for one address, and what a crawl must make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np

from pipeline import audio
from pipeline.audio import SAMPLE_RATE
from tests.faults.server import Reply


@cache
def sound(seconds: float = 1.0, seed: int = 0) -> bytes:
    """Return a FLAC file of noise, about 30 kB a second; another seed, another file."""
    noise = np.random.default_rng(seed).normal(0, 0.1, int(seconds * SAMPLE_RATE))
    return audio.to_flac(noise.astype(np.float32))


@dataclass(frozen=True, slots=True, kw_only=True)
class BadAnswer:
    """Replies of one host by path, and the verdict on `url` (a path of it, or an address elsewhere).

    `gives` is the body of an answer that is ok; `requests` counts how often `url` is asked for, None where it is open.
    """

    name: str
    replies: Mapping[str, Reply] = field(default_factory=dict[str, Reply])
    status: str = "ok"
    is_retryable: bool = False
    url: str = "/a"
    kind: Literal["page", "text", "audio"] = "audio"
    gives: bytes | None = None
    requests: int | None = None
    integrity: str | None = None

    @property
    def host(self) -> str:
        """The host that serves it, a site of its own."""
        return f"{self.name.replace('_', '-')}.test"

    @property
    def address(self) -> str:
        """The address asked for."""
        return f"http://{self.host}{self.url}" if self.url.startswith("/") else self.url
