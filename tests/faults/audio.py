"""Bad audio, made on the spot: lying headers, damage, disguises and oddities, with what decoding must make of each."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import av
import numpy as np
import soundfile as sf
from numpy.typing import NDArray

RATE = 44_100
TONE_MS = 2_000
Planes = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadAudio:
    """A file and its verdict: `error`, a pattern of the reason it is undecodable; else how long it really is.

    `peak` is the loudest sample, None where it does not matter.
    """

    name: str
    make: Callable[[], bytes]
    error: str | None = None
    duration_ms: int = TONE_MS
    within_ms: int = 20
    channels: int = 1
    sample_rate: int = RATE
    peak: float | None = None


def tone(rate: int = RATE, duration_ms: int = TONE_MS) -> Planes:
    """Sound a sine of 440 Hz at half of full scale, one row."""
    seconds = np.arange(rate * duration_ms // 1000) / rate
    return (np.sin(seconds * 2 * np.pi * 440) * 0.5).astype(np.float32)[None, :]


def encode(
    planes: Planes, container: str, codec: str, rate: int = RATE, muxer: Mapping[str, str] | None = None
) -> bytes:
    """Encode with FFmpeg; `muxer` has options of the container."""
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(planes)]
    sink = io.BytesIO()
    with av.open(sink, "w", format=container, options=dict(muxer or {})) as file:
        stream: Any = file.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), format="fltp", layout=layout)
        frame.rate, frame.pts = rate, 0
        context = stream.codec_context
        shaper = av.AudioResampler(context.format.name, layout, rate, frame_size=context.frame_size or None)
        for part in [*shaper.resample(frame), *shaper.resample(None), None]:
            for packet in stream.encode(part):
                file.mux(packet)
    return sink.getvalue()


def write(planes: NDArray[Any], rate: int = RATE, container: str = "WAV", subtype: str = "PCM_16") -> bytes:
    """Write with libsndfile, which leaves NaN and infinity alone."""
    sink = io.BytesIO()
    sf.write(sink, planes.T, rate, format=container, subtype=subtype)
    return sink.getvalue()


BARE = {"write_xing": "0", "id3v2_version": "0"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}


@cache
def mp3(rate: int = RATE, duration_ms: int = TONE_MS) -> bytes:
    """Encode the tone as an mp3 without a header frame: no gapless data, no length."""
    return encode(tone(rate, duration_ms), "mp3", "libmp3lame", rate, BARE)


@cache
def m4a() -> bytes:
    """Encode the tone as AAC in mp4, its index at the end."""
    return encode(tone(), "mp4", "aac")


@cache
def opus() -> bytes:
    """Encode the tone as Opus in Ogg."""
    return encode(tone(48_000), "ogg", "libopus", 48_000)


def id3(num_bytes: int) -> bytes:
    """Write the header of a tag that says it is this long."""
    return b"ID3\x04\0\0" + bytes(num_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))


def _patched(data: bytes, at: int, layout: str, value: int) -> bytes:
    return data[:at] + struct.pack(layout, value) + data[at + struct.calcsize(layout) :]


def _scrambled(data: bytes, start: int) -> bytes:
    noise = np.random.default_rng(3).bytes(len(data) - start)
    return data[:start] + noise


def _surround(*live: int) -> Planes:
    planes = np.zeros((6, tone().shape[1]), dtype=np.float32)
    planes[list(live)] = tone()
    return planes


def _with(value: float) -> Planes:
    planes = tone().copy()
    planes[0, 5000] = value
    return planes


def _zip() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr("a.mp3", mp3())
    return sink.getvalue()


def _video() -> bytes:
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as file:
        stream: Any = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), dtype=np.uint8), format="rgb24")
        for part in (frame, None):
            for packet in stream.encode(part):
                file.mux(packet)
    return sink.getvalue()


def _cover(audio: bytes) -> bytes:
    picture = b"\0image/png\0\x03\0" + b"\x89PNG\r\n\x1a\n" + bytes(1 << 20)
    frame = b"APIC" + bytes(len(picture) >> shift & 0x7F for shift in (21, 14, 7, 0)) + b"\0\0" + picture
    return id3(len(frame)) + frame + audio


def _flac(*, says_samples: int | None = None) -> bytes:
    data = write(tone(), container="FLAC")
    if says_samples is None:
        return data
    field = int.from_bytes(data[18:26])  # rate, channels and depth, then 36 bits of length
    return data[:18] + (field >> 36 << 36 | says_samples).to_bytes(8) + data[26:]


def _wav(at: int, layout: str, value: int) -> bytes:
    return _patched(write(tone()), at, layout, value)


def _m4a_says(seconds: int) -> bytes:
    data = m4a()
    return _patched(data, data.index(b"mdhd") + 20, ">I", seconds * RATE)


def _xing_says(seconds: int) -> bytes:
    data = encode(tone(), "mp3", "libmp3lame")
    return _patched(data, data.index(b"Info") + 8, ">I", seconds * RATE // 1152)


def _vbr() -> bytes:
    """Encode with a rate that varies, and drop the frame that says so."""
    sink = io.BytesIO()
    sf.write(sink, tone()[0], RATE, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="VARIABLE")
    data = sink.getvalue()
    return data[data.index(b"\xff\xfb", data.index(b"Xing")) :]


def _fragments() -> bytes:
    return encode(tone(), "mp4", "aac", muxer=FRAGMENTS)


def _mp3_with_hole() -> bytes:
    data = mp3(duration_ms=10_000)
    middle = len(data) // 2
    return data[:middle] + bytes(60) + data[middle + 60 :]


def _adts() -> bytes:
    return encode(tone(), "adts", "aac")


PLAYLIST = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:2,\nhttp://169.254.169.254/a.mp3\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile /etc/passwd\n"
UNKNOWN = "no known audio container starts with"
BROKEN = "does not decode"
KEY = "00112233445566778899aabbccddeeff"
SECRET = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": KEY, "encryption_kid": KEY}
STEREO = np.concatenate([tone(), tone()])
LAME_MS = 37  # delay and filling that stay where no header frame tells of them: 2 037 ms


def _bad(name: str, make: Callable[[], bytes], error: str) -> BadAudio:
    return BadAudio(name=name, make=make, error=error)


def _odd(name: str, make: Callable[[], bytes], duration_ms: int = TONE_MS, **facts: Any) -> BadAudio:
    return BadAudio(name=name, make=make, duration_ms=duration_ms, **facts)


NOT_AUDIO = (
    _bad("empty", lambda: b"", UNKNOWN),
    _bad("one_byte", lambda: b"\xff", UNKNOWN),
    _bad("no_moov", lambda: m4a()[: len(m4a()) * 2 // 3], BROKEN),
    _bad("hls_as_mp3", lambda: PLAYLIST, UNKNOWN),
    _bad("hls_behind_a_tag", lambda: id3(0) + PLAYLIST, BROKEN),
    _bad("ffconcat", lambda: CONCAT, UNKNOWN),
    _bad("ffconcat_behind_a_tag", lambda: id3(0) + CONCAT, BROKEN),
    _bad("encrypted_m4a", lambda: encode(tone(), "mp4", "aac", muxer=SECRET), "packets are damaged|does not decode"),
    _bad("scrambled", lambda: _scrambled(mp3(), 2000), "of 16 packets are damaged"),
    _bad("noise", lambda: _scrambled(m4a(), 0), UNKNOWN),
    _bad("html_then_mp3", lambda: b"<!doctype html><title>404</title>" + mp3(), UNKNOWN),
    _bad("zip_with_mp3", _zip, UNKNOWN),
    _bad("gzip_of_mp3", lambda: gzip.compress(mp3()), UNKNOWN),
    _bad("tag_longer_than_file", lambda: id3((1 << 28) - 1) + mp3(), BROKEN),
    _bad("cover_only", lambda: _cover(b""), BROKEN),
    _bad("video_only", _video, "has no audio stream"),
    _bad("utf16_text_like_mp3", lambda: ("1\n00:00:01,000 --> 00:00:02,000\nHello\n" * 50).encode("utf-16"), BROKEN),
    _bad("aiff", lambda: write(tone(), container="AIFF"), UNKNOWN),
    _bad("adts_cut_inside_a_frame", lambda: _adts()[777:], UNKNOWN),
    _bad("nan", lambda: write(_with(np.nan), subtype="FLOAT"), "samples that are no numbers"),
    _bad("infinity", lambda: write(_with(np.inf), subtype="FLOAT"), "samples that are no numbers"),
    _bad("beyond_float32", lambda: write(_with(1).astype(np.float64) * 1e300, subtype="DOUBLE"), "no numbers"),
    _bad("wav_rate_0", lambda: _wav(24, "<I", 0), BROKEN),
    _bad("wav_rate_1", lambda: _wav(24, "<I", 1), "a sample rate of 1 Hz; expected 4000 to 384000"),
    _bad("wav_rate_4_billion", lambda: _wav(24, "<I", 4_000_000_000), BROKEN),
    _bad("wav_0_channels", lambda: _wav(22, "<H", 0), "packets are damaged"),
    _bad("wav_65535_channels", lambda: _wav(22, "<H", 65_535), "packets are damaged"),
    _bad("wav_of_0_bits", lambda: _wav(34, "<H", 0), "the audio is an unknown codec; expected PCM or one of"),
    _bad("one_sample", lambda: write(tone()[:, :1]), "wav holds no samples"),
)
ODD_AUDIO = (
    _odd("cut_mp3", lambda: mp3()[: len(mp3()) // 2], 1018),
    _odd("cut_flac", lambda: _flac()[: len(_flac()) // 2], 1021),
    _odd("cut_opus", lambda: opus()[: len(opus()) // 2], 993, sample_rate=48_000),
    _odd("cut_fragmented_m4a", lambda: _fragments()[: len(_fragments()) * 2 // 3], 1346),
    _odd("mp3_with_hole", _mp3_with_hole, 9926),
    _odd("wav_says_nothing", lambda: _wav(40, "<I", 0), peak=0.5),
    _odd("wav_says_4_gib", lambda: _wav(40, "<I", 0xFFFFFFFF), peak=0.5),
    _odd("wav_says_half_a_day", lambda: _wav(40, "<I", RATE * 2 * 43_200), peak=0.5),
    _odd("wav_says_8_khz", lambda: _wav(24, "<I", 8000), 11_025, sample_rate=8000, peak=0.5),
    _odd("wav_says_stereo", lambda: _wav(22, "<H", 2), 1000, channels=2),
    _odd("wav_says_no_block", lambda: _wav(32, "<H", 0), peak=0.5),
    _odd("flac_says_a_day", lambda: _flac(says_samples=RATE * 86_400), peak=0.5),
    _odd("xing_says_a_day", lambda: _xing_says(86_400)),
    _odd("m4a_says_half_a_day", lambda: _m4a_says(43_200)),
    _odd("m4a_says_a_second", lambda: _m4a_says(1)),
    _odd("tag_shorter_than_said", lambda: id3(100) + mp3(), 2011),
    _odd("mp3_then_html", lambda: mp3() + b"<html>" + b"x" * 5000, 2063),
    _odd("large_cover", lambda: _cover(mp3()), 2000 + LAME_MS),
    _odd("flac_behind_a_tag", lambda: id3(10) + bytes(10) + _flac(), peak=0.5),
    _odd("adts_behind_a_tag", lambda: id3(10) + bytes(10) + _adts(), 2043),
    _odd("adts_cut_between_frames", lambda: _adts()[_adts().index(b"\xff\xf1", 777) :], 1950),
    _odd("centre_of_5_1", lambda: write(_surround(2)), channels=6, peak=0.5),
    _odd("all_of_5_1", lambda: write(_surround(*range(6))), channels=6, peak=0.5),
    _odd("two_of_5_1", lambda: write(_surround(0, 2)), channels=6, peak=0.5),
    _odd("dead_channel", lambda: write(STEREO * [[1], [0]]), channels=2, peak=0.5),
    _odd("silence", lambda: write(tone() * 0), peak=0.0),
    _odd("fiftieth_of_a_second", lambda: write(tone(duration_ms=50)), 50, peak=0.5),
    _odd("rate_changes_in_mp3", lambda: mp3() + mp3(rate=32_000), 4000 + 2 * LAME_MS),
    _odd("rate_changes_in_ogg", lambda: b"".join(encode(tone(r), "ogg", "flac", r) for r in (RATE, 22_050)), 4000),
    _odd("mono_then_stereo", lambda: mp3() + encode(STEREO, "mp3", "libmp3lame", muxer=BARE), 4000 + 2 * LAME_MS),
    _odd("chained_opus", lambda: opus() + opus(), 4000, sample_rate=48_000),
    _odd("chained_flac", lambda: _flac() + _flac(), 4000, peak=0.5),
    _odd("vbr_without_xing", _vbr, 2000 + LAME_MS),
    _odd("webm", lambda: encode(tone(48_000), "webm", "libopus", 48_000), sample_rate=48_000),
    _odd("vorbis", lambda: write(tone(), container="OGG", subtype="VORBIS")),
    _odd("opus_pre_skip", opus, sample_rate=48_000),
    _odd("u_law", lambda: write(tone(8000), 8000, subtype="ULAW"), sample_rate=8000, peak=0.51),
    _odd("pcm_8", lambda: write(tone(), subtype="PCM_U8"), peak=0.5),
    _odd("pcm_24", lambda: write(tone(), subtype="PCM_24"), peak=0.5),
    _odd("pcm_32", lambda: write(tone(), subtype="PCM_32"), peak=0.5),
    _odd("float_32", lambda: write(tone(), subtype="FLOAT"), peak=0.5),
    _odd("float_64", lambda: write(tone(), subtype="DOUBLE"), peak=0.5),
    _odd("rf64", lambda: write(tone(), container="RF64"), peak=0.5),
    _odd("ima_adpcm", lambda: write(tone(), subtype="IMA_ADPCM"), 2039, peak=0.5),
)
