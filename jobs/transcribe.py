"""Transcribe audio files: python jobs/transcribe.py checkpoint=CHECKPOINT inputs=FOLDER out=FOLDER"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import hydra
from omegaconf import DictConfig
from tqdm import tqdm

from jobs.ablation import ablate
from jobs.cli import clean_errors
from jobs.config import instantiate
from jobs.transcribing import Settings, find_audio, hear_all, load_model, targets, write
from pipeline import store
from pipeline.errors import DataError


@hydra.main(version_base=None, config_path="../conf", config_name="transcribe")
@clean_errors
def main(cfg: DictConfig) -> None:
    """Transcribe what has no transcript yet, or measure the heuristics."""
    settings = Settings(**instantiate(cfg))
    paths = find_audio(settings.inputs)
    if settings.ablate:
        for line in ablate(settings, paths):
            print(line, flush=True)
        return
    todo = [path for path in paths if settings.overwrite or not is_done(path, settings)]
    print(f"{len(todo)} of {len(paths)} files to transcribe", flush=True)
    failures = transcribe(settings, todo) if todo else []
    if failures:
        raise DataError("\n".join([f"{len(failures)} of {len(todo)} files were not transcribed", *failures]))


def is_done(path: Path, settings: Settings) -> bool:
    """Tell whether every format of a file is there."""
    return all(map(store.exists, targets(path, settings.out, settings.formats).values()))


def transcribe(settings: Settings, paths: list[Path]) -> list[str]:
    """Transcribe files and write each as it ends; returns what went wrong."""
    model, failures = load_model(settings), list[str]()
    transcriber = model.transcriber(settings.decode, settings.longform, settings.batch_size)
    started_s, audio_s = time.monotonic(), 0.0
    with tqdm(total=len(paths), unit="file", disable=not sys.stderr.isatty()) as bar:
        for recording, transcript in transcriber.run(hear_all(paths, settings, model, failures)):
            write(transcript, targets(Path(recording.name), settings.out, settings.formats))
            audio_s += recording.duration_ms / 1000
            bar.update()
            bar.set_postfix_str(f"{audio_s / (time.monotonic() - started_s):.1f} x real time")
    elapsed_s = time.monotonic() - started_s
    print(
        f"{audio_s / 60:.1f} min of audio in {elapsed_s:.1f} s: {audio_s / elapsed_s:.1f} x real time; {settings.out}"
    )
    return failures


if __name__ == "__main__":
    main()
