"""What commands print and the server sends as JSON: plain data from the types.

The keys are a promise: new ones may come, none changes its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from florilegium.answers import Answer, Citation, Identification
from florilegium.checks import Check
from florilegium.fields import MACHINE_CAPTION
from florilegium.repair import RepairReport
from florilegium.report import FailedFile, IngestReport
from florilegium.retrieve import Explanation, RankingSummary
from florilegium.types import Contribution, Hit, Item, Modality, Span

Json = dict[str, object]


def hits_to_json(hits: Sequence[Hit]) -> list[Json]:
    """Return hits with their ranks, best first."""
    return [_hit(hit, rank) for rank, hit in enumerate(hits, start=1)]


def explanation_to_json(explanation: Explanation) -> Json:
    """Return hits with what each list gave to them, the lists, and the evidence."""
    hits = [
        _hit(hit, rank) | {"contributions": [_contribution(part) for part in hit.contributions]}
        for rank, hit in enumerate(explanation.hits, start=1)
    ]
    return {
        "hits": hits,
        "rankings": [_ranking(ranking) for ranking in explanation.rankings],
        "evidence": {
            "confidence": explanation.evidence.confidence,
            "reasons": list(explanation.evidence.reasons),
        },
        "candidates": [asdict(candidate) for candidate in explanation.candidates],
        "admitted": explanation.admitted,
        "learnt": None if explanation.learnt is None else asdict(explanation.learnt),
        "seconds": {name: round(taken, 6) for name, taken in explanation.seconds.items()},
    }


def answer_to_json(answer: Answer) -> Json:
    """Return an answer with its numbered sources and all that was found."""
    return {
        "answer": answer.text,
        "refused": answer.refused,
        "confidence": answer.confidence,
        "reasons": list(answer.reasons),
        "notes": list(answer.notes),
        "searched": answer.searched,
        "model": answer.model,
        "identification": identification_to_json(answer.identification),
        "failure": None if answer.failure is None else asdict(answer.failure),
        "finish_reason": answer.finish_reason,
        "usage": None if answer.usage is None else asdict(answer.usage),
        "ignored": list(answer.ignored),
        "citations": citations_to_json(answer.citations),
        "hits": hits_to_json(answer.hits),
    }


def citations_to_json(citations: Sequence[Citation]) -> list[Json]:
    """Return the numbered sources of an answer."""
    return [_citation(citation) for citation in citations]


def identification_to_json(identification: Identification | None) -> Json | None:
    """Return what a picture was identified as."""
    if identification is None:
        return None
    return {
        "chosen": identification.chosen.name if identification.chosen else None,
        "by": identification.by,
        "note": identification.note,
        "candidates": [asdict(candidate) for candidate in identification.candidates],
    }


def report_to_json(report: IngestReport) -> Json:
    """Return what a run of ingest did."""
    return {
        "seen": report.seen,
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "remaining": report.remaining,
        "removed": report.removed,
        "ignored": report.ignored,
        "ignored_examples": list(report.ignored_examples),
        "encoded": report.encoded,
        "seconds": round(report.seconds, 3),
        "interrupted": report.interrupted,
        "failed": [_failed(file) for file in report.failed],
        "warnings": list(report.warnings),
        "captioned": report.captioned,
        "caption_failures": [_failed(file) for file in report.caption_failures],
        "captions_left": report.captions_left,
        "caption_problem": report.caption_problem,
    }


def checks_to_json(checks: Sequence[Check]) -> list[Json]:
    """Return the checks of `doctor`."""
    return [
        {"name": check.name, "ok": check.ok, "message": check.message, "hint": check.hint}
        for check in checks
    ]


def repair_to_json(report: RepairReport) -> Json:
    """Return what `doctor --repair` did, and what it could not mend."""
    return {
        "mended": [{**asdict(mend.finding), "done": mend.done} for mend in report.mends],
        "left": [asdict(finding) for finding in report.left],
        "encoded": report.encoded,
        "ingest": report_to_json(report.ingest),
    }


def item_to_json(item: Item) -> Json:
    """Return an item; a picture has no span, and a text no width and height."""
    return {
        "id": item.id,
        "modality": str(item.modality),
        "path": item.source.path,
        "title": item.title,
        "text": item.text,
        "fields": [list(pair) for pair in item.fields],
        "width": item.width,
        "height": item.height,
        "span": _span(item.span),
    }


def _hit(hit: Hit, rank: int) -> Json:
    item = hit.item
    data: Json = {
        "rank": rank,
        "id": item.id,
        "modality": str(item.modality),
        "path": item.source.path,
        "title": item.title,
        "text": item.text,
        "score": hit.score,
        "fused": hit.fused,
        "fields": [list(pair) for pair in item.fields],
        "duplicates": [one.source.path for one in hit.duplicates],
    }
    if item.modality is Modality.IMAGE:
        machine = next((value for name, value in item.fields if name == MACHINE_CAPTION), None)
        return data | {
            "width": item.width,
            "height": item.height,
            "machine_caption": machine,
        }
    return data | {"span": _span(item.span)}


def _citation(citation: Citation) -> Json:
    item = citation.hit.item
    return {
        "number": citation.number,
        "id": item.id,
        "modality": str(item.modality),
        "path": item.source.path,
        "title": item.title,
        "quote": citation.quote,
        "span": _span(citation.span),
    }


def _span(span: Span | None) -> list[int] | None:
    return None if span is None else [span.start, span.end]


def _contribution(part: Contribution) -> Json:
    return {
        "ranking": part.ranking,
        "rank": part.rank,
        "score": part.score,
        "z": part.z,
        "weight": part.weight,
    }


def _ranking(ranking: RankingSummary) -> Json:
    return {
        "name": ranking.name,
        "modality": str(ranking.modality),
        "size": ranking.size,
        "mean": ranking.mean,
        "deviation": ranking.deviation,
        "weight": ranking.weight,
        "background": ranking.background,
        "left_out": ranking.left_out,
    }


def _failed(file: FailedFile) -> Json:
    return {"path": file.path, "code": file.code, "message": file.message, "hint": file.hint}
