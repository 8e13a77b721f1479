"""One learnt model for all tests of decoding."""

from __future__ import annotations

import pytest

from tests.model.decoding.learnt import Learnt, learn


@pytest.fixture(scope="session")
def learnt() -> Learnt:
    return learn()
