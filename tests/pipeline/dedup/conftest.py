"""What all tests of dedup share."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave files to the operating system: nobody cuts the power in these tests."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
