"""What stages took is summed over runs, also over those that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.command.progress import Step
from jobs.running.times import StageTime, read_times, recorded


def test_times_are_summed_over_runs_and_kept_when_a_run_fails(tmp_path: Path) -> None:
    shown: list[Step] = []
    assert read_times(str(tmp_path)) == {}
    with recorded(str(tmp_path), shown.append) as progress:
        progress(Step(stage="fetch", num_units=2))
        progress(Step(stage="fetch", num_units=2, num_done=2, audio_ms=1000, core_s=3.0, cpu_s=2.0))
        progress(Step(stage="segment", num_units=2))
    with pytest.raises(KeyboardInterrupt), recorded(str(tmp_path), shown.append) as progress:
        progress(Step(stage="fetch", num_units=3, num_before=2, num_done=1, audio_ms=500, core_s=1.0, cpu_s=0.5))
        raise KeyboardInterrupt
    assert read_times(str(tmp_path)) == {"fetch": StageTime(num_units=3, audio_ms=1500, core_s=4.0, cpu_s=2.5)}
    assert len(shown) == 4
