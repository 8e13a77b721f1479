"""Documents for the detector of machine transcripts, simulated or real, and how well it tells them apart."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import sidecars
from pipeline.annotate import simulate
from pipeline.annotate.detector import FEATURES, MARKED, UNMARKED, Detector, columns, features, is_marked
from pipeline.annotate.logistic import Logistic, Values, fit
from pipeline.annotate.style import Line, style
from pipeline.errors import UserError
from pipeline.segment import captions
from pipeline.sources.embedded.plan import named_rng
from pipeline.sources.embedded.sentences import LANGUAGES, draw_sentences

RIDGE = 1.0
NUM_BINS = 10
MAX_BARE = 0.97  # lines without a mark: about what conf/check/text_style.yaml rejects
LABELS = ("human", "machine")  # folders of labelled captions
SIZES = (8, 100)  # sentences of a document
_SPEAKER = re.compile(r"^(?:>> |- |[A-Z][\w.]*(?: \w+)?: )")  # what segmenting takes off a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """Captions measured: a row of features each, whether a machine wrote it, its language and its style."""

    rows_NF: Values
    truth_N: Values
    langs: tuple[str, ...]
    styles: tuple[str, ...]

    def without(self, is_out: Callable[[str, str], bool]) -> tuple[Documents, Documents]:
        """Part the documents: those kept, and those whose (language, style) is out."""
        out = np.array([is_out(*pair) for pair in zip(self.langs, self.styles, strict=True)])
        return self._take(~out), self._take(out)

    def _take(self, mask: NDArray[np.bool_]) -> Documents:
        return Documents(
            rows_NF=self.rows_NF[mask],
            truth_N=self.truth_N[mask],
            langs=tuple(itertools.compress(self.langs, mask)),
            styles=tuple(itertools.compress(self.styles, mask)),
        )


def simulated(seed: int, half: int, num_per_style: int) -> Documents:
    """Make documents of every language and style; half 0 trains, half 1 tests, with other sentences."""
    rows: list[list[float]] = []
    labels: list[tuple[float, str, str]] = []
    for lang, halves in simulate.phrases().items():
        sentences = [*halves[half], *_grammar(lang, seed, half)]
        for is_machine, styles in enumerate((simulate.HUMAN, simulate.MACHINE)):
            for name, number in itertools.product(styles, range(num_per_style)):
                rng = named_rng(seed, lang, name, str(number))
                chosen = [sentences[int(at)] for at in rng.integers(0, len(sentences), int(rng.integers(*SIZES)))]
                rows.append(_features(styles[name](simulate.speak(chosen, lang, rng), rng), lang))
                labels.append((float(is_machine), lang, name))
    return _documents(rows, labels)


def labelled(folder: Path) -> Documents:
    """Measure real caption files, FOLDER/human/STYLE/ and FOLDER/machine/STYLE/, but those too short to have a style.

    STYLE may be left out; the language is read off a file's name or folder as sources do (talk.en.vtt).
    """
    rows: list[list[float]] = []
    labels: list[tuple[float, str, str]] = []
    for label, path in [(name, path) for name in LABELS for path in _files(folder / name)]:
        caption, inside = captions.parse(path.read_bytes()), path.relative_to(folder / label)
        lines = [Line(start_ms=cue.start_ms, end_ms=cue.end_ms, text=cue.text) for cue in caption.cues]
        lang = _declared_lang(inside)
        measured = style(lines, lang)
        if measured["words_per_line"] is not None:
            rows.append(features(measured, caption.origin.has_speaker_marks if caption.origin else None))
            labels.append((float(label == "machine"), lang or "?", inside.parts[0] if len(inside.parts) > 1 else label))
    if not rows:
        raise UserError(
            f"folder {folder} holds no captions to measure; expected files of {' and '.join(LABELS)} speech in "
            "folders of these names; see conf/train_machine_text.yaml"
        )
    return _documents(rows, labels)


def train(documents: Documents, about: str) -> Detector:
    """Fit the detector's two models, each on captions of its kind."""
    return Detector(
        marked=_fit(documents, is_marked(documents.rows_NF), MARKED, about),
        unmarked=_fit(documents, ~is_marked(documents.rows_NF), UNMARKED, about),
    )


def weight_lines(model: Detector) -> Iterator[str]:
    """Say what each feature weighs, in units of its spread, the heaviest first; then where marks tell nothing."""
    models = [dict(zip(part.names, part.weights, strict=True)) for part in (model.marked, model.unmarked)]
    yield f"{'':<22}{'marks':>8}{'none':>8}"
    for name in sorted(FEATURES, key=lambda name: -max(abs(part.get(name, 0.0)) for part in models)):
        yield f"{name:<22}" + "".join(f"{part[name]:+8.2f}" if name in part else f"{'':>8}" for part in models)


def table_lines(model: Detector, documents: Documents, threshold: float) -> Iterator[str]:
    """Say for each language and each style how many documents are judged right, by style or for want of any mark."""
    is_bare = documents.rows_NF[:, FEATURES.index("bare_line_ratio")] > MAX_BARE  # never NaN
    called, truth = (model.probability(documents.rows_NF) > threshold) | is_bare, documents.truth_N == 1
    yield f"{'language':<22}{'human':>8}{'cleared':>9}{'machine':>9}{'recall':>8}{'precision':>11}"
    for lang in (*sorted(set(documents.langs)), "all"):
        mask = np.array([lang in (name, "all") for name in documents.langs])
        counts = ((mask & ~truth).sum(), (mask & truth).sum())
        cells = (_share(~called[mask & ~truth]), _share(called[mask & truth]), _share(truth[mask & called]))
        yield f"{lang:<22}{counts[0]:>8}{cells[0]:>9}{counts[1]:>9}{cells[1]:>8}{cells[2]:>11}"
    yield f"{'style':<30}{'truth':>10}{'documents':>11}{'right':>8}"
    for name, is_machine in dict.fromkeys(zip(documents.styles, truth, strict=True)):
        mask = np.array([style_name == name for style_name in documents.styles]) & (truth == is_machine)
        label = LABELS[int(is_machine)]
        yield f"{name:<30}{label:>10}{mask.sum():>11}{_share((called == truth)[mask]):>8}"


def unseen_lines(documents: Documents, tests: Documents, threshold: float) -> Iterator[str]:
    """Say how well each style is judged by a detector that was trained without it."""
    for name in dict.fromkeys(documents.styles):
        rest, _ = documents.without(lambda _, style_name, name=name: style_name == name)
        _, unseen = tests.without(lambda _, style_name, name=name: style_name == name)
        called = train(rest, "").probability(unseen.rows_NF) > threshold
        yield f"{name:<22}{(called == (unseen.truth_N == 1)).mean():>8.3f}"


def reliability_lines(model: Detector, documents: Documents) -> Iterator[str]:
    """Say for each tenth of the probability how often a machine really wrote the document."""
    given = model.probability(documents.rows_NF)
    bins = np.minimum((given * NUM_BINS).astype(int), NUM_BINS - 1)
    error = 0.0
    yield f"{'P(machine)':<14}{'documents':>10}{'said':>8}{'true':>8}"
    for number in range(NUM_BINS):
        mask = bins == number
        if mask.any():
            said, true = given[mask].mean(), documents.truth_N[mask].mean()
            error += mask.mean() * abs(said - true)
            edges = f"{number / NUM_BINS:.1f} to {(number + 1) / NUM_BINS:.1f}"
            yield f"{edges:<14}{mask.sum():>10}{said:>8.3f}{true:>8.3f}"
    yield f"expected calibration error {error:.3f}"


def _fit(documents: Documents, mask: NDArray[np.bool_], names: tuple[str, ...], about: str) -> Logistic:
    rows_NF = documents.rows_NF[mask][:, columns(names)]
    about = f"{about}\n{mask.sum()} of them, by {len(names)} features."
    return fit(names, rows_NF, documents.truth_N[mask], RIDGE, about)


def _documents(rows: Sequence[list[float]], labels: Sequence[tuple[float, str, str]]) -> Documents:
    truth, langs, names = zip(*labels, strict=True)
    return Documents(rows_NF=np.array(rows), truth_N=np.array(truth), langs=langs, styles=names)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _declared_lang(inside: Path) -> str | None:
    stem = inside.with_suffix("")
    return sidecars.declared_lang(f"{stem.with_suffix('')}.mp3", inside.as_posix())


def _features(lines: Sequence[Line], lang: str) -> list[float]:
    stripped = [Line(start_ms=line.start_ms, end_ms=line.end_ms, text=_SPEAKER.sub("", line.text)) for line in lines]
    return features(style(stripped, lang), any(a.text != b.text for a, b in zip(lines, stripped, strict=True)))


def _grammar(lang: str, seed: int, half: int) -> list[str]:
    if lang not in LANGUAGES:
        return []
    drawn = draw_sentences(lang, lang, set(), named_rng(seed, "grammar", lang, str(half)))
    return [sentence.text for sentence in itertools.islice(drawn, 10)]


def _share(flags: NDArray[np.bool_]) -> str:
    return f"{flags.mean():.3f}" if len(flags) else ""
