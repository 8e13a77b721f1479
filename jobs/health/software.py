"""What is installed: Python, packages at their pins, codecs, espeak-ng's voices, torch and the GPU it was built for."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from jobs.health.finding import BAD, NOTE, Finding

PINS = Path(__file__).resolve().parents[2] / "constraints.txt"
VOICES = ("am", "en", "es", "sw")  # those of the embedded corpus
SETUP = "run make setup; where it says there is nothing to do, delete .venv first"


def software() -> list[Finding]:
    """Look at all of it."""
    return [_python(), pinned(_pins(PINS.read_text().splitlines()), _installed()), _codecs(), _voices(), _torch()]


def pinned(pins: Mapping[str, str], installed: Mapping[str, str]) -> Finding:
    """Compare what is installed with the pins; a local build (2.13.0+cpu) is its public version."""
    shared = sorted(pins.keys() & installed.keys())
    others = [f"{name} {installed[name]}" for name in shared if installed[name].partition("+")[0] != pins[name]]
    if others:
        seen = f"{len(others)} of {len(shared)} are not the pinned version: {', '.join(others[:4])}"
        return Finding(name="packages", seen=seen, state=BAD, advice=SETUP)
    return Finding(name="packages", seen=f"{len(shared)} as constraints.txt pins them")


def missing_codecs(wanted: Iterable[str], available: Iterable[str]) -> Finding:
    """Say which codecs of recordings cannot be decoded."""
    lost = sorted(set(wanted) - set(available))
    if lost:
        return Finding(name="codecs", seen=f"PyAV cannot decode {', '.join(lost)}", state=BAD, advice=SETUP)
    return Finding(name="codecs", seen=f"all {len(set(wanted))} that recordings come in, in PyAV's own FFmpeg")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(name="python", seen=f"{version} in {sys.prefix}")


def _pins(lines: Iterable[str]) -> dict[str, str]:
    """Read name and version of each pin that is meant for this platform and Python."""
    pins = [Requirement(line) for line in lines if "==" in line]
    meant = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    return {_normal(pin.name): str(pin.specifier).removeprefix("==") for pin in meant}


def _installed() -> dict[str, str]:
    return {_normal(found.metadata["Name"]): found.version for found in metadata.distributions()}


def _normal(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(".", "-")


def _codecs() -> Finding:
    import av

    from pipeline.ffmpeg import CODECS

    return missing_codecs(CODECS, {name for codec in av.codecs_available if (name := _decoded(codec))})


def _decoded(codec: str) -> str | None:
    """Return what a decoder decodes, by FFmpeg's name for the format; None where it only encodes."""
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    try:
        return Codec(codec, "r").canonical_name
    except UnknownCodecError:
        return None


def _voices() -> Finding:
    import espeakng_loader

    folder = Path(espeakng_loader.get_data_path())
    lost = [voice for voice in VOICES if not (folder / f"{voice}_dict").exists()]
    if lost:
        seen = f"espeak-ng has no voice for {', '.join(lost)}: the embedded corpus cannot be made"
        return Finding(name="voices", seen=seen, state=BAD, advice=SETUP)
    return Finding(name="voices", seen=f"espeak-ng speaks {', '.join(VOICES)}")


def _torch() -> Finding:
    import torch

    build = f"torch {torch.__version__}"
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
        return Finding(name="gpu", seen=f"{names}; {build}")
    if shutil.which("nvidia-smi"):
        advice = "install torch 2.13.0 built for CUDA into .venv, or mend the driver (nvidia-smi says what it sees)"
        return Finding(name="gpu", seen=f"a driver is here, and {build} does not use it", state=NOTE, advice=advice)
    return Finding(name="gpu", seen=f"none ({build}): ingest needs none, training is for the demonstration only")
