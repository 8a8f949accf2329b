from __future__ import annotations

import json
from dataclasses import replace

from florilegium.checks import Check
from florilegium.evidence import Evidence
from florilegium.report import FailedFile, IngestReport
from florilegium.retrieve import Explanation, RankingSummary
from florilegium.serialize import (
    answer_to_json,
    checks_to_json,
    explanation_to_json,
    hits_to_json,
    report_to_json,
)
from florilegium.types import Modality
from tests.unit.cli.samples import ANSWER, IMAGE_HIT, REFUSAL, TEXT_HIT


def test_a_text_hit_says_where_it_stands() -> None:
    assert hits_to_json([TEXT_HIT]) == [
        {
            "rank": 1,
            "id": "t1",
            "modality": "text",
            "path": "dahlia.md",
            "title": "The dahlia",
            "text": "The dahlia\n\nWater it twice a week.",
            "score": 0.5,
            "fused": 2.25,
            "fields": [],
            "duplicates": [],
            "span": [0, 34],
        }
    ]


def test_an_image_hit_says_how_large_it_is() -> None:
    (hit,) = hits_to_json([IMAGE_HIT])

    assert (hit["width"], hit["height"]) == (40, 30)
    assert hit["machine_caption"] is None
    assert "span" not in hit


def test_what_a_machine_said_of_a_picture_is_apart_from_what_people_said() -> None:
    fields = (("caption", "A dahlia"), ("machine_caption", "A red flower."))
    item = replace(IMAGE_HIT.item, fields=fields)

    (hit,) = hits_to_json([replace(IMAGE_HIT, item=item)])

    assert hit["machine_caption"] == "A red flower."


def test_ranks_count_from_one() -> None:
    assert [hit["rank"] for hit in hits_to_json([TEXT_HIT, IMAGE_HIT])] == [1, 2]


def test_an_explanation_has_hits_lists_and_evidence() -> None:
    ranking = RankingSummary(name="bm25", modality=Modality.TEXT, size=2, left_out="no words")
    evidence = Evidence(confidence=0.5, reasons=("the words agree",))
    explanation = Explanation(hits=(TEXT_HIT,), rankings=(ranking,), evidence=evidence)

    data = json.loads(json.dumps(explanation_to_json(explanation)))

    assert data["hits"][0]["contributions"][1] == {
        "ranking": "bm25",
        "rank": None,
        "score": 0.0,
        "z": 0.5,
        "weight": 0.5,
    }
    assert data["rankings"] == [
        {
            "name": "bm25",
            "modality": "text",
            "size": 2,
            "mean": 0.0,
            "deviation": 0.0,
            "weight": 0.0,
            "background": 0,
            "left_out": "no words",
        }
    ]
    assert (data["candidates"], data["admitted"], data["seconds"]) == ([], None, {})
    assert data["evidence"] == {"confidence": 0.5, "reasons": ["the words agree"]}


def test_an_answer_has_numbered_citations() -> None:
    data = json.loads(json.dumps(answer_to_json(ANSWER)))

    assert data["answer"] == "Twice a week [1], as shown [2]."
    assert data["citations"][0] == {
        "number": 1,
        "id": "t1",
        "modality": "text",
        "path": "dahlia.md",
        "title": "The dahlia",
        "quote": "Water it [daily].",
        "span": [12, 29],
    }
    assert (data["citations"][1]["quote"], data["citations"][1]["span"]) == (None, None)
    assert [hit["id"] for hit in data["hits"]] == ["t1", "i1"]


def test_a_refusal_says_so_and_why() -> None:
    data = answer_to_json(REFUSAL)

    assert data["refused"] is True
    assert data["citations"] == []
    assert data["reasons"] == ["no word of it is in the library"]


def test_the_counts_of_a_report_add_up() -> None:
    failed = FailedFile(path="x.png", code="source_unreadable", message="Cut off.", hint="Mend.")
    report = IngestReport(added=1, updated=2, unchanged=3, failed=(failed,), seconds=1.23456)

    data = report_to_json(report)

    assert data["seen"] == 7
    assert data["seconds"] == 1.235
    assert data["failed"] == [
        {"path": "x.png", "code": "source_unreadable", "message": "Cut off.", "hint": "Mend."}
    ]


def test_the_counts_of_a_stopped_run_add_up() -> None:
    failed = FailedFile(path="x.png", code="source_unreadable", message="Cut off.")
    report = IngestReport(
        added=1, updated=2, unchanged=3, failed=(failed,), remaining=40, interrupted=True
    )

    data = json.loads(json.dumps(report_to_json(report)))

    counts = [data[key] for key in ("added", "updated", "unchanged", "remaining")]
    assert data["remaining"] == 40
    assert sum(counts) + len(data["failed"]) == data["seen"] == 47


def test_checks_keep_their_order() -> None:
    checks = [Check(name="a", ok=True, message="x"), Check(name="b", ok=False, message="y")]

    assert checks_to_json(checks) == [
        {"name": "a", "ok": True, "message": "x", "hint": None},
        {"name": "b", "ok": False, "message": "y", "hint": None},
    ]


def test_captions_are_in_the_report() -> None:
    failed = FailedFile(path="x.png", code="caption_refused", message="No caption.", hint="Help.")
    report = IngestReport(
        captioned=2, caption_failures=(failed,), captions_left=7, caption_problem="It is down."
    )

    data = json.loads(json.dumps(report_to_json(report)))

    assert (data["captioned"], data["captions_left"]) == (2, 7)
    assert data["caption_failures"] == [
        {"path": "x.png", "code": "caption_refused", "message": "No caption.", "hint": "Help."}
    ]
    assert data["caption_problem"] == "It is down."
