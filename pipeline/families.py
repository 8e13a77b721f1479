"""The annotation families: what is measured on each segment, column by column."""

from __future__ import annotations

import pyarrow as pa

from pipeline.columns import BOOL, FLOAT, INT, STRING, STRINGS, table


def family(name: str, columns: dict[str, tuple[pa.DataType, str]]) -> pa.Schema:
    """Declare an annotation family: one row per segment, in the segment part's own order."""
    return table(name, {"segment_id": (STRING, "the segment measured"), **columns})


TEXT_STATS = family(
    "text_stats",
    {
        "num_chars": (INT, "characters of the text, spaces included"),
        "num_words": (INT, "words by white space; characters / 2 in scripts without spaces"),
        "num_tokens": (INT, "tokens: counted by a vocabulary where one is given, else about OpenAI's"),
        "compression_ratio": (FLOAT, "bytes of the text over its zlib bytes; Whisper calls 2.4 a loop"),
        "repeated_ngram_ratio": (FLOAT, "share of three-word runs the window has said before; null under three words"),
        "is_all_upper": (BOOL, "document: cased letters are all upper case; null where few words have case"),
        "is_all_lower": (BOOL, "document: cased letters are all lower case; null where few words have case"),
        "punctuation_per_word": (FLOAT, "document: sentence marks of any script per word; null under 30 words"),
        "repeated_line_ratio": (FLOAT, "document: share of cues equal to the cue before them"),
    },
)

MACHINE_TEXT = family(
    "machine_text",
    {
        "bare_word_ratio": (
            FLOAT,
            "window: share of words on lines without marks, all lower or all upper case, in runs of many such lines",
        ),
        "is_bare": (BOOL, "window: no sentence mark and one case; null without letters, or where marks tell nothing"),
        "origin": (STRING, "machine or human, as the file or its source says; null where neither does"),
        "origin_evidence": (STRING, "the sign or statement that says so"),
        "is_marked_machine": (BOOL, "origin is machine; null without text"),
        "is_bare_upper": (BOOL, "document: all capitals and hardly a mark; null where few words have case"),
        "machine_probability": (FLOAT, "document: P(a recogniser wrote it) from its style; null when too short"),
        "capital_ratio": (FLOAT, "document: cased words that begin with a capital"),
        "upper_ratio": (FLOAT, "document: cased words of two letters or more all in capitals"),
        "lower_start_ratio": (FLOAT, "document: sentences that begin in lower case after a stop; null with few stops"),
        "comma_per_word": (FLOAT, "document: commas of any script per word"),
        "question_per_word": (FLOAT, "document: question and exclamation marks per word"),
        "rare_mark_per_word": (FLOAT, "document: semicolons, colons, quotes, brackets per word; null if none in few"),
        "bare_line_ratio": (FLOAT, "document: lines without a sentence mark"),
        "stop_end_ratio": (FLOAT, "document: lines that end a sentence"),
        "mark_end_ratio": (FLOAT, "document: lines that end with any mark"),
        "inner_stop_ratio": (FLOAT, "document: lines in whose middle a sentence ends"),
        "digit_ratio": (FLOAT, "document: words with a digit"),
        "filler_ratio": (FLOAT, "document: hesitations per word; null in languages without a list"),
        "tag_ratio": (FLOAT, "document: lines that note a sound: [Music], (laughter)"),
        "words_per_line": (FLOAT, "document: mean words per line"),
        "full_ratio": (FLOAT, "document: lines without room for the next line's first word in its usual width"),
        "long_line_ratio": (FLOAT, "document: lines of more than 90 columns, wide characters counting twice"),
        "line_space_ratio": (FLOAT, "document: lines with a space between words; null where all words are spaced"),
        "line_mark_ratio": (FLOAT, "document: lines with a mark; null where words are spaced, and in Thai and Lao"),
        "line_chars_cv": (FLOAT, "document: spread of the lines' lengths over their mean"),
        "cue_ms_cv": (FLOAT, "document: spread of the cues' durations over their mean"),
        "touching_ratio": (FLOAT, "document: cues that begin within 20 ms of the last one's end"),
        "round_ratio": (FLOAT, "document: times on whole seconds"),
        "grid_ratio": (FLOAT, "document: times on multiples of 20 ms"),
    },
)

TEXT_LANGUAGE = family(
    "text_language",
    {
        "lang": (STRING, "language of the document's text, as py3langid and the script say"),
        "confidence": (
            FLOAT,
            "py3langid's probability for the document, raised where the source declares it, halved where CLD2 differs",
        ),
        "cld2_lang": (STRING, "CLD2's answer for the document; null where it has none"),
        "langid_lang": (STRING, "langid's answer, as a cross-check"),
        "window_lang": (STRING, "py3langid's answer for this window alone"),
        "is_other_lang": (BOOL, "py3langid and CLD2 agree that this window is in another language; null without text"),
        "matches_declared": (BOOL, "lang equals the declared language; null where none is declared"),
    },
)

BOILERPLATE = family(
    "boilerplate",
    {
        "kind": (STRING, "credit, thanks, subscribe or station: what most of the boilerplate is; null without any"),
        "boilerplate_ratio": (FLOAT, "share of the text in lines that are boilerplate; null without text"),
        "sound_tag_ratio": (
            FLOAT,
            "share of the text inside sound tags: [Music], (laughter), notes; null without text",
        ),
        "is_spoken": (BOOL, "something is left without tags and boilerplate; null without text"),
    },
)

SPEECH = family(
    "speech",
    {
        "speech_ratio": (FLOAT, "share of the window that is speech"),
        "cue_speech_ratio": (FLOAT, "share of the cues' time that is speech; null without cues"),
        "uncaptioned_speech_ratio": (
            FLOAT,
            "share of the speech that lies under no cue; null without speech",
        ),
        "level_dbfs": (FLOAT, "RMS level of the window, dB below full scale"),
        "chars_per_speech_s": (FLOAT, "characters of text per second of speech; null without either"),
        "offset_ms": (INT, "document: what added to all cue times makes them fit the speech; null where unclear"),
        "sync": (FLOAT, "document: correlation of cues and speech in time as captioned; null where unclear"),
        "synced": (FLOAT, "document: the same after offset_ms"),
    },
)

TIMING = family(
    "timing",
    {
        "chars_per_s": (FLOAT, "characters per second of cue time; null without cues"),
        "overrun_ms": (INT, "by how much the recording's captions end after its audio, at least 0"),
        "max_cue_ms": (INT, "longest cue; null without cues"),
        "alignment_confidence": (FLOAT, "the segment's, of times that were laid over speech; null of others"),
    },
)

SOUND_PRINT = family(
    "sound_print",
    {"codes": (pa.list_(pa.uint32()), "32 bits each 32 ms from this window's start to the next one's; 0 is silence")},
)

SOUND = family(
    "sound",
    {
        "snr_db": (FLOAT, "level of the loud tenth of frames over the quiet tenth; null where hardly anything sounds"),
        "peak_dbfs": (FLOAT, "loudest sample, dB below full scale"),
        "clipped_ratio": (FLOAT, "share of samples on flat tops of the wave"),
        "bandwidth_hz": (FLOAT, "up to where loud frames hold energy; 3,400 on the telephone"),
        "dead_ratio": (FLOAT, "share of 32 ms frames below -85 dBFS: digital silence, a dead channel"),
        "music_ratio": (FLOAT, "share of frames with a tone held for a quarter of a second; null under 3 s that sound"),
    },
)

SPOKEN = family(
    "spoken",
    {
        "stats": (pa.list_(pa.float32()), "first segment of a recording: what its speech sounds like; null elsewhere"),
        "langs": (STRINGS, "first segment of a recording: languages a model knows; null elsewhere"),
        "probs": (pa.list_(pa.float32()), "first segment of a recording: the probability of each of langs"),
    },
)

AUDIO_LANGUAGE = family(
    "audio_language",
    {
        "claimed_lang": (STRING, "recording: the language its source declares, else that of its text"),
        "audio_lang": (STRING, "recording: the language heard; null where nothing listens or too little is said"),
        "audio_probability": (FLOAT, "recording: probability of audio_lang, calibrated on the corpus's own claims"),
        "claimed_probability": (FLOAT, "recording: probability that the claimed language is spoken"),
        "claimed_agreement": (FLOAT, "claimed language: share of its recordings that are heard in it"),
        "num_claimed": (INT, "claimed language: recordings that were heard"),
    },
)

AGREEMENT = family(
    "agreement",
    {
        "heard_text": (STRING, "what a model hears in the window; null where it was not asked"),
        "error_rate": (FLOAT, "character error rate of heard_text by the window's text"),
        "margin": (
            FLOAT,
            "how much nearer heard_text is to the text than to its letters backwards: 0 by chance, 1 equal",
        ),
        "document_margin": (FLOAT, "recording: the same over all its windows"),
    },
)

PEERS = family(
    "peers",
    {
        "rate_deviation": (FLOAT, "characters per second of speech against its language's windows, in robust sigmas"),
        "num_peers": (INT, "windows its language's rates were measured on"),
        "agreement_quantile": (FLOAT, "share of its language's windows that agree better with a model; null unasked"),
        "heard_margin": (
            FLOAT,
            "agreement's margin, by its language's median; null in languages the model hardly hears",
        ),
        "document_heard_margin": (FLOAT, "agreement's document_margin, likewise; null for windows with a margin"),
        "recording_rank": (INT, "place among its recording's windows with text, in an order drawn by lot; from 0"),
        "source_rank": (INT, "place among its source's windows with text, likewise"),
        "bare_peer_ratio": (
            FLOAT,
            "bare window: share of its source's windows in its language that are too; else null",
        ),
    },
)
