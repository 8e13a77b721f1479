"""Sounds that somebody recorded, from a folder of any layout: noises as MUSAN has them, impulse responses of rooms.

Files are listed once, in sorted order, and read when they are drawn: half a minute of one at a time, first channel,
resampled to 16 kHz. What was read last is kept, up to a bound in each process.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.random import Generator

from model.data.noise import from_somewhere
from model.mel import SAMPLE_RATE
from pipeline.audio import Samples
from pipeline.errors import DataError, UserError

FORMATS = (".flac", ".oga", ".ogg", ".opus", ".wav")
PIECE_S = 30  # as long as a window may be
MAX_ROOM_S = 10
KEPT_BYTES = 128 << 20  # half an hour, in each process


class Recordings:
    """The sounds of a folder."""

    def __init__(self, folder: str, kept_bytes: int = KEPT_BYTES) -> None:
        """List the files; UserError when the folder is missing or holds none."""
        root = Path(folder).expanduser()
        if not root.is_dir():
            raise UserError(f"folder {folder} does not exist; expected one of recorded sounds; give another path")
        self.paths = sorted((path for path in root.rglob("*") if path.suffix.lower() in FORMATS), key=str)
        if not self.paths:
            raise UserError(f"folder {folder} holds no sound; expected files of {list(FORMATS)}, at any depth")
        self._kept_bytes, self._used_bytes = kept_bytes, 0
        self._kept: OrderedDict[tuple[Path, int], Samples] = OrderedDict()

    def noise(self, num_samples: int, rng: Generator) -> Samples:
        """Return a drawn excerpt of a drawn file, repeated where the file is shorter."""
        path, place = self._draw(rng), rng.random()
        return from_somewhere(self._piece(path, place), num_samples, rng)

    def room(self, rng: Generator) -> Samples:
        """Return the impulse response of a drawn room, from its direct sound on; its largest value is 1."""
        path = self._draw(rng)
        echo = self._piece(path, 0.0)
        if len(echo) > MAX_ROOM_S * SAMPLE_RATE:
            raise DataError(
                f"room {path} lasts {len(echo) / SAMPLE_RATE:.0f} s or more; expected an impulse response of at most "
                f"{MAX_ROOM_S} s; remove it, or give the folder as noise"
            )
        direct = int(np.abs(echo).argmax())
        if not echo[direct]:
            raise DataError(f"room {path} is silent; expected an impulse response; remove it")
        return echo[direct:] / echo[direct]

    def _draw(self, rng: Generator) -> Path:
        return self.paths[int(rng.integers(len(self.paths)))]

    def _piece(self, path: Path, place: float) -> Samples:
        """Return the half minute of a file in which a place (0 to 1) lies, or all of a shorter one."""
        try:
            with sf.SoundFile(path) as file:
                size = PIECE_S * file.samplerate
                number = int(place * max(1, file.frames // size))
                if (path, number) not in self._kept:
                    self._keep((path, number), _read(file, number * size, size))
        except (sf.SoundFileError, OSError) as error:
            raise _damaged(path, str(error)) from error
        except ValueError as error:
            raise _damaged(path, str(error)) from error
        self._kept.move_to_end((path, number))
        return self._kept[(path, number)]

    def _keep(self, key: tuple[Path, int], samples: Samples) -> None:
        self._kept[key] = samples
        self._used_bytes += samples.nbytes
        while self._used_bytes > self._kept_bytes and len(self._kept) > 1:
            self._used_bytes -= self._kept.popitem(last=False)[1].nbytes


@functools.cache
def recordings(folder: str) -> Recordings:
    """Return a folder's sounds, listed once in each process."""
    return Recordings(folder)


def _read(file: sf.SoundFile, start: int, size: int) -> Samples:
    """Read the first channel at 16 kHz; ValueError says what is wrong with it."""
    if start:
        file.seek(start)
    expected = min(size, file.frames - start)
    audio = file.read(expected, dtype="float32", always_2d=True)[:, 0]
    if len(audio) < max(expected, 1):
        raise ValueError(f"it ends after {start + len(audio)} of {file.frames} samples")
    if not np.isfinite(audio).all():
        raise ValueError("it holds samples that are no numbers")
    return soxr.resample(np.ascontiguousarray(audio), file.samplerate, SAMPLE_RATE)


def _damaged(path: Path, cause: str) -> DataError:
    return DataError(f"sound {path} cannot be read: {cause}; expected one of {list(FORMATS)}; mend or remove it")
