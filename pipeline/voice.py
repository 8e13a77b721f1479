"""Where there is speech: silero's network, its weights and its state machine, its arithmetic done in larger pieces.

Silero's own ONNX graph multiplies four columns at a time; a block of frames at once takes half the CPU time for the
same probabilities within 1e-4 (2026-11). A frame is 32 ms, heard with the 4 ms before it. What is done to each frame in
its turn is compiled, in this file alone: compiled code is kept until its own file changes.

Tensor suffixes: T frames, W the four windows in a frame, N samples, F frequencies, C channels, G the LSTM's gates.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from pipeline.audio import SAMPLES_PER_MS, Samples

FRAME = 512
THRESHOLD = 0.5  # silero's default; F1 0.976 on clean audio (measured 2026-11)
_CONTEXT, _MIRRORED = 64, 64
_WINDOW, _HOP, _NUM_WINDOWS = 256, 128, 4
_FREQUENCIES, _HIDDEN = 129, 128
_BLOCK = 512  # frames at once: they stay in the cache

_ABOVE = (
    2.00018790482477e-13,
    -8.60467152213735e-11,
    5.12229709037114e-08,
    1.48572235717979e-05,
    6.37261928875436e-04,
    4.89352455891786e-03,
)
_BELOW = (1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)

Floats = NDArray[np.float32]
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weights:
    """Kernels are (taps x inputs, outputs), gates are input, forget, cell, output."""

    kernels: tuple[Floats, ...]
    biases: tuple[Floats, ...]
    into_CG: Floats
    again_CG: Floats
    bias_G: Floats
    last_C: Floats
    last_bias: float


def find_speech(samples: Samples, threshold: float = THRESHOLD) -> list[tuple[int, int]]:
    """Return where 16 kHz mono is speech as (start, end) in ms, in order.

    Speech starts where a frame reaches `threshold`, ends after 100 ms below threshold - 0.15, lasts 250 ms at least and
    is widened by 30 ms (silero's defaults, 6.2.3).
    """
    _, state_machine = silero()
    found = state_machine(speech_probs(samples), threshold=threshold, audio_length_samples=len(samples))
    return [(region["start"] // SAMPLES_PER_MS, region["end"] // SAMPLES_PER_MS) for region in found]


def speech_probs(samples: Samples) -> Floats:
    """Return the probability of speech in each frame; the last one is filled with silence."""
    weights, _ = silero()
    num_frames = -(-len(samples) // FRAME)
    padded = np.zeros(_CONTEXT + num_frames * FRAME, dtype=np.float32)
    padded[_CONTEXT : _CONTEXT + len(samples)] = samples
    probs = np.empty(num_frames, dtype=np.float32)
    if num_frames == 0:
        return probs
    frames_TN = sliding_window_view(padded, _CONTEXT + FRAME)[::FRAME]
    hidden, cell = np.zeros(_HIDDEN, dtype=np.float32), np.zeros(_HIDDEN, dtype=np.float32)
    # More threads than one cost more than they gain on products as small as these.
    with _threads().limit(limits=1):
        for start in range(0, num_frames, _BLOCK):
            block = slice(start, start + _BLOCK)
            gates_TG = _encode(frames_TN[block], weights)
            _recur(gates_TG, weights.again_CG, (hidden, cell), (weights.last_C, weights.last_bias), probs[block])
    return probs


def _encode(frames_TN: Floats, weights: _Weights) -> Floats:
    """Return what each frame puts into the gates: magnitudes of four windows, and four convolutions over these."""
    num = len(frames_TN)
    mirrored = frames_TN[:, -2 : -2 - _MIRRORED : -1]
    windows_TWN = sliding_window_view(np.concatenate([frames_TN, mirrored], axis=1), _WINDOW, axis=1)[:, ::_HOP]
    magnitude = np.abs(np.fft.rfft(windows_TWN * _hann(), axis=2)).reshape(num, -1)
    first, second, third, fourth = weights.kernels
    size = _FREQUENCIES
    # Inputs of a frame lie side by side: a tap beyond its first or last column is a silence, and left out.
    columns = [
        magnitude[:, : 2 * size] @ first[size:],
        magnitude[:, : 3 * size] @ first,
        magnitude[:, size:] @ first,
        magnitude[:, 2 * size :] @ first[: 2 * size],
    ]
    one = _joined(columns, weights.biases[0])
    size = one.shape[1] // _NUM_WINDOWS
    two = _joined([one[:, : 2 * size] @ second[size:], one[:, size:] @ second], weights.biases[1])
    size = two.shape[1] // 2
    three = _joined([two @ third[size:]], weights.biases[2])
    size = three.shape[1]
    four = _joined([three @ fourth[size : 2 * size]], weights.biases[3])
    return four @ weights.into_CG + weights.bias_G


def _joined(columns: Sequence[Floats], bias: Floats) -> Floats:
    """Add the bias, cut off what is negative, and put the columns of a frame side by side."""
    joined = np.concatenate(columns, axis=1)
    joined += np.tile(bias, len(columns))
    return np.maximum(joined, 0, out=joined)


@functools.cache
def _hann() -> Floats:
    return np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


def _compiled(function: Callable[P, R]) -> Callable[P, R]:
    decorate: Any = numba.njit(cache=True, nogil=True, fastmath=True)
    return cast(Callable[P, R], decorate(function))


@_compiled
def _tanh(value: np.float32) -> np.float32:
    """Return the hyperbolic tangent to 1e-6 as a quotient of polynomials, of which a processor does many at once.

    The numbers are those of Eigen's and XLA's float tanh.
    """
    x = min(max(value, np.float32(-7.9053111)), np.float32(7.9053111))
    y = x * x
    above = np.float32(-2.76076847742355e-16)
    for number in _ABOVE:
        above = above * y + np.float32(number)
    below = np.float32(1.19825839466702e-06)
    for number in _BELOW:
        below = below * y + np.float32(number)
    return x * above / below


@_compiled
def _recur(
    gates_TG: Floats, again_CG: Floats, state: tuple[Floats, Floats], last: tuple[Floats, float], probs: Floats
) -> None:
    """Run the LSTM over the frames and write the probabilities; its hidden values and cells stay in `state`."""
    hidden, cell = state
    weights, bias = last
    size = len(hidden)
    gates = np.empty(4 * size, np.float32)
    one, half = np.float32(1), np.float32(0.5)
    for frame in range(len(gates_TG)):
        gates[:] = gates_TG[frame]
        # Four rows at once: the gates are read and written a fourth as often.
        for row in range(0, size, 4):
            a, b, c, d = hidden[row], hidden[row + 1], hidden[row + 2], hidden[row + 3]
            for column in range(4 * size):
                gates[column] += (
                    a * again_CG[row, column]
                    + b * again_CG[row + 1, column]
                    + c * again_CG[row + 2, column]
                    + d * again_CG[row + 3, column]
                )
        for at in range(4 * size):
            # A sigmoid is half of 1 + tanh of its half.
            scale = one if 2 * size <= at < 3 * size else half
            gates[at] = _tanh(gates[at] * scale) * scale + (one - scale)
        for at in range(size):
            cell[at] = gates[size + at] * cell[at] + gates[at] * gates[2 * size + at]
            hidden[at] = gates[3 * size + at] * _tanh(cell[at])
        score = bias
        for at in range(size):
            score += weights[at] * max(hidden[at], np.float32(0))
        probs[frame] = 1 / (1 + np.exp(-score))


@functools.cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


@functools.cache
def silero() -> tuple[_Weights, Any]:
    """Return the weights that come with silero's package, and its state machine."""
    # Importing silero_vad sets torch to one thread for the whole process, which is put right here.
    import torch

    num_threads = torch.get_num_threads()
    import silero_vad
    from silero_vad.utils_vad import get_speech_timestamps_from_probs

    torch.set_num_threads(num_threads)
    model: Any = silero_vad.load_silero_vad()
    named: dict[str, Floats] = {
        name.removeprefix("_model."): value.numpy() for name, value in model.state_dict().items()
    }
    layers = [f"encoder.{number}.reparam_conv" for number in range(4)]
    weights = _Weights(
        kernels=tuple(_kernel(named[f"{layer}.weight"]) for layer in layers),
        biases=tuple(named[f"{layer}.bias"] for layer in layers),
        into_CG=np.ascontiguousarray(named["decoder.rnn.weight_ih"].T),
        again_CG=np.ascontiguousarray(named["decoder.rnn.weight_hh"].T),
        bias_G=named["decoder.rnn.bias_ih"] + named["decoder.rnn.bias_hh"],
        last_C=np.ascontiguousarray(named["decoder.decoder.2.weight"].reshape(-1)),
        last_bias=float(named["decoder.decoder.2.bias"][0]),
    )
    return weights, get_speech_timestamps_from_probs


def _kernel(weight: Floats) -> Floats:
    """Turn (outputs, inputs, taps) into (taps x inputs, outputs)."""
    return np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, len(weight)))
