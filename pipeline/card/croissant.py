"""The corpus in Croissant 1.0 with its responsible-AI vocabulary (RAI 1.0): JSON-LD for programs and dataset search.

https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html and croissant-rai-spec.html
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.card import wording
from pipeline.card.facts import UNSTATED, Facts
from pipeline.card.markdown import day

VERSION = "1.0.0"
CONFORMS_TO = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
# As the specification prints it: mlcroissant compares it word by word.
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
AUDIO = {"flac": "audio/flac", "opus": "audio/ogg"}  # by the ending of a sample's sound
# Columns of a sample's JSON that a program wants first.
TEXTS = {
    "segment_id": "recording_id:start_ms",
    "text": "the caption, repaired",
    "lang": "spoken language, Whisper's code",
    "source": "who listed it",
}


def to_croissant(facts: Facts) -> str:
    """Write the description; addresses of shards are relative to the folder it lies in."""
    licences = [*facts.license_urls, *(name for name in facts.licences if name != UNSTATED)]
    described = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": f"sotto-{facts.fingerprint}",
        "description": wording.summary(facts),
        "citeAs": f"Sotto speech corpus {facts.fingerprint}, {day(facts.last_ms)}",
        "version": VERSION,
        "datePublished": day(facts.last_ms),
        "license": sorted(set(licences)) or UNSTATED,
        "inLanguage": sorted(facts.languages),
        "isLiveDataset": False,
        "url": "./",
        **_responsibility(facts),
        "distribution": _files(facts),
        "recordSet": [_samples(facts), _audio()],
    }
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def _responsibility(facts: Facts) -> dict[str, Any]:
    rules = [f"{reason}: {why}" for reason, why in sorted(facts.rules.items())]
    told = {
        "dataCollection": f"{wording.collection(facts)} {wording.losses(facts)}",
        "dataCollectionType": "Web Scraping" if facts.user_agents else "Secondary Data Analysis",
        "dataCollectionTimeframe": [day(time_ms) for time_ms in (facts.first_ms, facts.last_ms) if time_ms],
        "dataCollectionMissingData": wording.losses(facts),
        "dataCollectionRawData": f"{wording.hours(facts.audio_ms)} of decoded audio, with captions as published",
        "dataPreprocessingProtocol": [wording.PREPROCESSING, *rules],
        "dataAnnotationProtocol": wording.ANNOTATION,
        "annotationsPerItem": "1",
        "machineAnnotationTools": ["Silero VAD", "py3langid", "langid", "pycld2", "ftfy"],
        "personalSensitiveInformation": wording.PERSONAL,
        "dataBiases": wording.BIASES,
        "dataLimitations": list(wording.limitations(facts)),
        "dataUseCases": wording.USES,
        "dataReleaseMaintenancePlan": wording.MAINTENANCE,
    }
    return {f"rai:{name}": value for name, value in told.items() if value}


def _files(facts: Facts) -> list[dict[str, Any]]:
    tars = [
        {
            "@type": "cr:FileObject",
            "@id": shard.uri,
            "name": shard.uri,
            "contentUrl": shard.uri,
            "contentSize": f"{shard.bytes} B",
            "encodingFormat": "application/x-tar",
            "sha256": shard.sha256,
        }
        for shard in facts.shards
    ]
    within = [{"@id": shard.uri} for shard in facts.shards]
    kinds = (("descriptions", "application/json", "*.json"), ("recordings", AUDIO[facts.audio], f"*.{facts.audio}"))
    return [
        *tars,
        *(
            {"@type": "cr:FileSet", "@id": name, "containedIn": within, "encodingFormat": kind, "includes": includes}
            for name, kind, includes in kinds
        ),
    ]


def _samples(facts: Facts) -> dict[str, Any]:
    texts = [
        {
            "@type": "cr:Field",
            "@id": f"samples/{name}",
            "description": what,
            "dataType": "sc:Text",
            "source": {
                "fileSet": {"@id": "descriptions"},
                "extract": {"fileProperty": "content"},
                "transform": {"jsonPath": f"$.{name}"},
            },
        }
        for name, what in TEXTS.items()
    ]
    told = f"{facts.num_samples:,} windows: what stands beside the audio"
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "description": told,
        "key": {"@id": "samples/segment_id"},
        "field": texts,
    }


def _audio() -> dict[str, Any]:
    sound = {
        "@type": "cr:Field",
        "@id": "audio/content",
        "description": "16 kHz mono",
        "dataType": "sc:AudioObject",
        "source": {"fileSet": {"@id": "recordings"}, "extract": {"fileProperty": "content"}},
    }
    key = {
        "@type": "cr:Field",
        "@id": "audio/segment_id",
        "description": "from the name of the member: recording_id_start_ms",
        "dataType": "sc:Text",
        "source": {
            "fileSet": {"@id": "recordings"},
            "extract": {"fileProperty": "filename"},
            "transform": [{"regex": "^([0-9a-z_]+)\\.[a-z]+$"}, {"replace": "_/:"}],
        },
        "references": {"field": {"@id": "samples/segment_id"}},
    }
    return {"@type": "cr:RecordSet", "@id": "audio", "description": "the sound of the windows", "field": [key, sound]}
