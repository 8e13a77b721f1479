"""Whisper's languages, as data: the one list that text rules, vocabularies and reports share.

A language's slot is its place among the language tokens. Slots are frozen: OpenAI checkpoints depend on
slots 0 to 98 (v1, v2) and 99 (Cantonese, v3), so a new language takes the next free number.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import unknown_name

# Scripts in which running text has capital letters. Georgian's capitals serve headlines only.
_CASED_SCRIPTS = frozenset({"Latn", "Cyrl", "Grek", "Armn"})
# Scripts that put no space between words (Tibetan marks syllables; Whisper's own list lacks it and Khmer).
_UNSPACED_SCRIPTS = frozenset({"Hans", "Hant", "Hira", "Thai", "Laoo", "Mymr", "Khmr", "Tibt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language: Whisper's code, English name, token slot, and ISO 15924 scripts, the usual one first."""

    code: str
    name: str
    slot: int
    scripts: tuple[str, ...]
    has_case: bool
    spaces_words: bool


_ROWS: tuple[tuple[int, str, str, str], ...] = (
    (0, "en", "English", "Latn"),
    (1, "zh", "Chinese", "Hans Hant"),
    (2, "de", "German", "Latn"),
    (3, "es", "Spanish", "Latn"),
    (4, "ru", "Russian", "Cyrl"),
    (5, "ko", "Korean", "Hang"),
    (6, "fr", "French", "Latn"),
    (7, "ja", "Japanese", "Hira Kana Hani"),
    (8, "pt", "Portuguese", "Latn"),
    (9, "tr", "Turkish", "Latn"),
    (10, "pl", "Polish", "Latn"),
    (11, "ca", "Catalan", "Latn"),
    (12, "nl", "Dutch", "Latn"),
    (13, "ar", "Arabic", "Arab"),
    (14, "sv", "Swedish", "Latn"),
    (15, "it", "Italian", "Latn"),
    (16, "id", "Indonesian", "Latn"),
    (17, "hi", "Hindi", "Deva"),
    (18, "fi", "Finnish", "Latn"),
    (19, "vi", "Vietnamese", "Latn"),
    (20, "he", "Hebrew", "Hebr"),
    (21, "uk", "Ukrainian", "Cyrl"),
    (22, "el", "Greek", "Grek"),
    (23, "ms", "Malay", "Latn Arab"),
    (24, "cs", "Czech", "Latn"),
    (25, "ro", "Romanian", "Latn"),
    (26, "da", "Danish", "Latn"),
    (27, "hu", "Hungarian", "Latn"),
    (28, "ta", "Tamil", "Taml"),
    (29, "no", "Norwegian", "Latn"),
    (30, "th", "Thai", "Thai"),
    (31, "ur", "Urdu", "Arab"),
    (32, "hr", "Croatian", "Latn"),
    (33, "bg", "Bulgarian", "Cyrl"),
    (34, "lt", "Lithuanian", "Latn"),
    (35, "la", "Latin", "Latn"),
    (36, "mi", "Maori", "Latn"),
    (37, "ml", "Malayalam", "Mlym"),
    (38, "cy", "Welsh", "Latn"),
    (39, "sk", "Slovak", "Latn"),
    (40, "te", "Telugu", "Telu"),
    (41, "fa", "Persian", "Arab"),
    (42, "lv", "Latvian", "Latn"),
    (43, "bn", "Bengali", "Beng"),
    (44, "sr", "Serbian", "Cyrl Latn"),
    (45, "az", "Azerbaijani", "Latn Cyrl"),
    (46, "sl", "Slovenian", "Latn"),
    (47, "kn", "Kannada", "Knda"),
    (48, "et", "Estonian", "Latn"),
    (49, "mk", "Macedonian", "Cyrl"),
    (50, "br", "Breton", "Latn"),
    (51, "eu", "Basque", "Latn"),
    (52, "is", "Icelandic", "Latn"),
    (53, "hy", "Armenian", "Armn"),
    (54, "ne", "Nepali", "Deva"),
    (55, "mn", "Mongolian", "Cyrl"),
    (56, "bs", "Bosnian", "Latn Cyrl"),
    (57, "kk", "Kazakh", "Cyrl Latn"),
    (58, "sq", "Albanian", "Latn"),
    (59, "sw", "Swahili", "Latn"),
    (60, "gl", "Galician", "Latn"),
    (61, "mr", "Marathi", "Deva"),
    (62, "pa", "Punjabi", "Guru Arab"),
    (63, "si", "Sinhala", "Sinh"),
    (64, "km", "Khmer", "Khmr"),
    (65, "sn", "Shona", "Latn"),
    (66, "yo", "Yoruba", "Latn"),
    (67, "so", "Somali", "Latn"),
    (68, "af", "Afrikaans", "Latn"),
    (69, "oc", "Occitan", "Latn"),
    (70, "ka", "Georgian", "Geor"),
    (71, "be", "Belarusian", "Cyrl"),
    (72, "tg", "Tajik", "Cyrl"),
    (73, "sd", "Sindhi", "Arab Deva"),
    (74, "gu", "Gujarati", "Gujr"),
    (75, "am", "Amharic", "Ethi"),
    (76, "yi", "Yiddish", "Hebr"),
    (77, "lo", "Lao", "Laoo"),
    (78, "uz", "Uzbek", "Latn Cyrl"),
    (79, "fo", "Faroese", "Latn"),
    (80, "ht", "Haitian Creole", "Latn"),
    (81, "ps", "Pashto", "Arab"),
    (82, "tk", "Turkmen", "Latn Cyrl"),
    (83, "nn", "Norwegian Nynorsk", "Latn"),
    (84, "mt", "Maltese", "Latn"),
    (85, "sa", "Sanskrit", "Deva"),
    (86, "lb", "Luxembourgish", "Latn"),
    (87, "my", "Burmese", "Mymr"),
    (88, "bo", "Tibetan", "Tibt"),
    (89, "tl", "Tagalog", "Latn"),
    (90, "mg", "Malagasy", "Latn"),
    (91, "as", "Assamese", "Beng"),
    (92, "tt", "Tatar", "Cyrl Latn"),
    (93, "haw", "Hawaiian", "Latn"),
    (94, "ln", "Lingala", "Latn"),
    (95, "ha", "Hausa", "Latn Arab"),
    (96, "ba", "Bashkir", "Cyrl"),
    (97, "jw", "Javanese", "Latn"),
    (98, "su", "Sundanese", "Latn"),
    (99, "yue", "Cantonese", "Hant Hans"),
)


def _language(slot: int, code: str, name: str, scripts: tuple[str, ...]) -> Language:
    has_case = scripts[0] in _CASED_SCRIPTS
    spaces_words = scripts[0] not in _UNSPACED_SCRIPTS
    return Language(code=code, name=name, slot=slot, scripts=scripts, has_case=has_case, spaces_words=spaces_words)


LANGUAGES: dict[str, Language] = {
    code: _language(slot, code, name, tuple(scripts.split())) for slot, code, name, scripts in _ROWS
}


# The same languages by other codes: ISO 639-2 and 639-3, withdrawn ones, the usual member of a macrolanguage.
_OTHER_CODE_PAIRS = (
    "eng:en zho:zh chi:zh cmn:zh deu:de ger:de spa:es rus:ru kor:ko fra:fr fre:fr jpn:ja por:pt tur:tr pol:pl "
    "cat:ca nld:nl dut:nl ara:ar arb:ar swe:sv ita:it ind:id in:id hin:hi fin:fi vie:vi heb:he iw:he ukr:uk "
    "ell:el gre:el msa:ms may:ms zsm:ms ces:cs cze:cs ron:ro rum:ro mo:ro dan:da hun:hu tam:ta nor:no nb:no "
    "nob:no tha:th urd:ur hrv:hr bul:bg lit:lt lat:la mri:mi mao:mi mal:ml cym:cy wel:cy slk:sk slo:sk tel:te "
    "fas:fa per:fa pes:fa lav:lv lvs:lv ben:bn srp:sr aze:az azj:az slv:sl kan:kn est:et ekk:et mkd:mk mac:mk "
    "bre:br eus:eu baq:eu isl:is ice:is hye:hy arm:hy nep:ne npi:ne mon:mn khk:mn bos:bs kaz:kk sqi:sq alb:sq "
    "swa:sw swh:sw glg:gl mar:mr pan:pa sin:si khm:km sna:sn yor:yo som:so afr:af oci:oc kat:ka geo:ka bel:be "
    "tgk:tg snd:sd guj:gu amh:am yid:yi ydd:yi ji:yi lao:lo uzb:uz uzn:uz fao:fo hat:ht pus:ps pbt:ps tuk:tk "
    "nno:nn mlt:mt san:sa ltz:lb mya:my bur:my bod:bo tib:bo tgl:tl fil:tl mlg:mg plt:mg asm:as tat:tt lin:ln "
    "hau:ha bak:ba jv:jw jav:jw sun:su"
)
_OTHER_CODES = {other: code for other, _, code in (pair.partition(":") for pair in _OTHER_CODE_PAIRS.split())}
_BY_NAME = {item.name.lower(): item.code for item in LANGUAGES.values()}
_NO_LANGUAGE = frozenset({"und", "mul", "mis", "zxx", "root"})


def code_of(tag: str) -> str | None:
    """Return Whisper's code of a language tag ('pt-BR', 'zh_Hant', 'deu', 'English'); None when it names none.

    A language Whisper does not have keeps its own code, so that it is not taken for an unstated one.
    """
    primary, *rest = tag.strip().lower().replace("_", "-").split("-")
    if primary in ("zh", "zho") and "yue" in rest:
        return "yue"
    if primary in _BY_NAME:
        return _BY_NAME[primary]
    if not (2 <= len(primary) <= 3 and primary.isascii() and primary.isalpha()) or primary in _NO_LANGUAGE:
        return None
    return _OTHER_CODES.get(primary, primary)


def language(code: str) -> Language:
    """Look a language up by its code; UserError with the nearest code when there is none."""
    if code not in LANGUAGES:
        raise unknown_name("language", code, LANGUAGES)
    return LANGUAGES[code]
