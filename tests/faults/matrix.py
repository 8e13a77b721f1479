"""Print the fault matrix of a test run: how many cases each row has, and how many passed.

python -m pytest -p tests.faults.matrix
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from _pytest.terminal import TerminalReporter

ROWS = {
    "discover": "tests/crawl/test_discover.py",
    "robots": "tests/crawl/test_robots.py",
    "politeness": "tests/crawl/test_politeness.py",
    "http": "tests/crawl/test_http.py",
    "fetch": "tests/crawl/test_fetch.py",
    "ssrf": "tests/crawl/test_ssrf.py",
    "no space": "tests/crawl/test_no_space.py",
    "twelve hosts": "tests/crawl/test_crawl.py",
    "kill": "tests/crawl/test_killed.py",
    "judge": "tests/crawl/test_judge.py",
    "decode": "tests/pipeline/test_decoder.py",
    "audio": "tests/pipeline/test_audio.py",
    "captions": "tests/pipeline/segment/test_captions.py",
}


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Write the table, and say which rows of it did not run."""
    passed = _count(terminalreporter.stats.get("passed", ()))
    bad = _count([*terminalreporter.stats.get("failed", ()), *terminalreporter.stats.get("error", ())])
    terminalreporter.section("fault matrix")
    terminalreporter.write_line(f"{'row':14}{'cases':>7}{'passed':>8}")
    for row, file in ROWS.items():
        terminalreporter.write_line(f"{row:14}{passed[file] + bad[file]:>7}{passed[file]:>8}")
    terminalreporter.write_line(f"{'all':14}{passed.total() + bad.total():>7}{passed.total():>8}")


def _count(reports: Iterable[pytest.TestReport]) -> Counter[str]:
    return Counter(file for report in reports if (file := report.nodeid.partition("::")[0]) in set(ROWS.values()))
