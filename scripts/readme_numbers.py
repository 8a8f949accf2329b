"""The tables of both READMEs: questions to paragraphs, and captions to pictures and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from scripts.numbers_of import RECALLS, cells, lines, origin, read

SETS: Final = ("qa-en", "qa-zh")


def origin_in_chinese(results: dict[str, Any]) -> str:
    machine = results["machine"]
    return (
        f"`{results['command'].strip()}`，{results['date']}，{machine['processor']}，"
        f"{machine['cores']} 核。"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the tables say in one language; `sets` and the rows go by the keys of the results.

    In `text_counts`, 0 and 1 are questions and paragraphs in English, 2 and 3 in Chinese.
    """

    origin: Callable[[dict[str, Any]], str]
    sets: Mapping[str, str]
    text_head: str
    text_rows: Mapping[str, str]
    text_counts: str
    image_head: str
    image_rows: Mapping[str, str]
    image_alone: str
    image_counts: str
    flowers: str


ENGLISH: Final = Words(
    origin=origin,
    sets={"qa-en": "English", "qa-zh": "Chinese"},
    text_head="set",
    text_rows={
        "words": "BM25 alone",
        "chunks": "paragraphs alone (dense)",
        "sentences": "best sentences alone (dense)",
        "dense (chunks + sentences)": "both dense lists",
        "reciprocal ranks": "all three by reciprocal ranks",
        "fused": "**fused by z-scores, as searched**",
    },
    text_counts="{} English questions over {} paragraphs and {} Chinese questions over {} "
    "paragraphs; percent of questions. {origin}",
    image_head="queries",
    image_rows={
        "caption to image, English": "caption → image, English",
        "caption to image, Chinese of the data": "caption → image, Chinese of the data",
        "caption to image, our Chinese": "caption → image, Chinese that we wrote for what the "
        "starter has names for",
        "image to caption, English": "image → caption, English",
    },
    image_alone="the same, image-text space alone",
    image_counts="{pictures} small pictures of things under names that say nothing; percent. "
    "{origin}",
    flowers="Image → image, {pictures} photos of five kinds of flowers: of the five nearest, "
    "{precision} % are of the same kind (leave one out, all photos as queries).",
)

IN_CHINESE: Final = Words(
    origin=origin_in_chinese,
    sets={"qa-en": "英文", "qa-zh": "中文"},
    text_head="数据集",
    text_rows={
        "words": "仅 BM25",
        "chunks": "仅段落（稠密检索）",
        "sentences": "仅最佳句子（稠密检索）",
        "dense (chunks + sentences)": "两个稠密列表",
        "reciprocal ranks": "三个列表按倒数排名融合",
        "fused": "**按 z 分数融合，即实际检索所用**",
    },
    text_counts="英文 {} 个问题、{} 个段落，中文 {} 个问题、{} 个段落；数值为占问题总数的百分比。"
    "{origin}",
    image_head="查询数",
    image_rows={
        "caption to image, English": "说明 → 图片，英文",
        "caption to image, Chinese of the data": "说明 → 图片，数据自带的中文",
        "caption to image, our Chinese": "说明 → 图片，我们为 starter 叫得出名字的事物写的中文",
        "image to caption, English": "图片 → 说明，英文",
    },
    image_alone="同上，仅图文空间",
    image_counts="{pictures} 张小图，文件名不含任何信息；数值为百分比。{origin}",
    flowers="图片 → 图片，五类花卉的 {pictures} 张照片：最近的五张中有 {precision} % 属于同一类"
    "（留一法，每张照片都作一次查询）。",
)


def text_table(words: Words) -> str:
    results = read("text_retrieval")
    found = results["results"]
    rows = [f"| | {words.text_head} | {' | '.join(RECALLS)} |", "|---|---|" + "--:|" * len(RECALLS)]
    rows += [
        f"| {title} | {words.sets[name]} | {cells(found[name][key])} |"
        for name in SETS
        for key, title in words.text_rows.items()
        if key in found[name]
    ]
    counts = [found[name][key] for name in SETS for key in ("questions", "paragraphs")]
    return lines(words.text_counts.format(*counts, origin=words.origin(results)), "", *rows)


def image_table(words: Words) -> str:
    results = read("image_retrieval")
    stamps, flowers = results["results"]["stamps"], results["results"]["flowers5"]
    rows = [f"| | {words.image_head} | {' | '.join(RECALLS)} |", "|---|" + "--:|" * 5]
    for key, label in words.image_rows.items():
        found = stamps[key]
        if found["queries"]:
            rows.append(f"| {label} | {found['queries']} | {cells(found.get('fused', found))} |")
            alone = found.get("by the image-text space alone")
            if alone:
                rows.append(f"| {words.image_alone} | | {cells(alone)} |")
    said = words.image_counts.format(pictures=stamps["pictures"], origin=words.origin(results))
    nearest = words.flowers.format(pictures=flowers["pictures"], precision=flowers["precision@5"])
    return lines(said, "", *rows, "", nearest)


TABLES: Final = {"text": partial(text_table, ENGLISH), "image": partial(image_table, ENGLISH)}
CHINESE: Final = {
    "text": partial(text_table, IN_CHINESE),
    "image": partial(image_table, IN_CHINESE),
}
