"""What stands round an answer on a terminal, in the language of its question: Chinese or English.

Errors, reports and help are in English whatever was asked.
"""

from __future__ import annotations

from typing import Final

from florilegium.answers import Citation, Identification
from florilegium.evidence import Language

WORDS: Final[dict[str, dict[Language, str]]] = {
    "sources": {"en": "Sources", "zh": "来源"},
    "confidence": {"en": "Confidence {confidence:.2f}", "zh": "置信度 {confidence:.2f}"},
    "closest": {"en": "What came closest", "zh": "最接近的内容"},
    "hit": {
        "en": "  {path}  {title} ({modality}, {score:z.3f})",
        "zh": "  {path}  {title}（{modality}，{score:z.3f}）",
    },
    "image": {"en": "image", "zh": "图片"},
    "text": {"en": "text", "zh": "文本"},
    "characters": {"en": "characters {start}-{end}", "zh": "字符 {start}-{end}"},
    "pixels": {"en": "{width}×{height} pixels", "zh": "{width}×{height} 像素"},
    "searched": {"en": "(searched for: {searched})", "zh": "（检索词：{searched}）"},
    "picture": {"en": "(the picture: {said})", "zh": "（图片：{said}）"},
    "known": {"en": "it is in the library: {name}", "zh": "就在资料库中：{name}"},
    "none fits": {
        "en": "the chat model found that none of the names fits",
        "zh": "语言模型认为候选名称都不符合",
    },
    "by model": {"en": "the chat model chose {name}", "zh": "语言模型选定“{name}”"},
    "nameless": {"en": "no near picture has a name", "zh": "相近的图片都没有名称"},
    "by vote": {
        "en": "the nearest pictures say {name}, with {share:.0%} of the votes",
        "zh": "最相近的图片认为是“{name}”，得票 {share:.0%}",
    },
    "note": {"en": "{said} ({note})", "zh": "{said}（{note}）"},
}


def say(key: str, language: Language, **values: object) -> str:
    """Return what is said in a language, with its values put in. KeyError for an unknown key."""
    return WORDS[key][language].format(**values)


def describe_identification(identification: Identification, language: Language = "en") -> str:
    """Return in one sentence what a picture shows and who said so."""
    chosen = identification.chosen
    name = chosen.name if chosen else None
    match identification.by:
        case "known":
            said = say("known", language, name=name)
        case "model" if name is None:
            said = say("none fits", language)
        case "model":
            said = say("by model", language, name=name)
        case _ if chosen is None:
            said = say("nameless", language)
        case _:
            said = say("by vote", language, name=name, share=chosen.share)
    note = identification.note
    return say("note", language, said=said, note=note) if note else said


def describe_citation(citation: Citation, language: Language) -> str:
    """Return where a citation stands: the characters of a text, the pixels of a picture."""
    item, span = citation.hit.item, citation.span or citation.hit.item.span
    if span is not None:
        return say("characters", language, start=span.start, end=span.end)
    if item.width and item.height:
        return say("pixels", language, width=item.width, height=item.height)
    return ""
