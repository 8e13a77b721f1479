"""The tasks a model can be trained on, by name; a new task is one file and one line here."""

from __future__ import annotations

from model.tasks import detect_language, no_speech, transcribe, translate
from model.tasks.base import Task
from pipeline.errors import unknown_name

TASKS: dict[str, Task] = {
    "transcribe": transcribe,
    "translate": translate,
    "detect_language": detect_language,
    "no_speech": no_speech,
}


def task(name: str) -> Task:
    """Look a task up; UserError with the nearest name when there is none."""
    if name not in TASKS:
        raise unknown_name("task", name, TASKS)
    return TASKS[name]
