"""Computing is counted in this process and in those it started, living and ended."""

from __future__ import annotations

import subprocess
import sys

from jobs.running.cpu import cpu_s

BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ninput()"


def test_children_count_while_they_live_and_after() -> None:
    start_s = cpu_s()
    with subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline()
        living_s = cpu_s() - start_s
        child.communicate(b"\n")
    assert living_s >= 0.28
    assert cpu_s() - start_s >= living_s
