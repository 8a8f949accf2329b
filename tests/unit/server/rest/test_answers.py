"""Bodies of answers are what the commands print."""

from __future__ import annotations

from florilegium import Library
from florilegium.serialize import answer_to_json, explanation_to_json, item_to_json
from florilegium.server.ingest_jobs import Job
from florilegium.server.rest.answers import (
    AnswerBody,
    ItemBody,
    JobBody,
    SearchAnswer,
)


def test_an_explanation_loses_nothing(tiny_library: Library) -> None:
    data = explanation_to_json(tiny_library.explain("red square"))

    body = SearchAnswer.model_validate(data).model_dump(mode="json")

    for told, kept in zip(data.pop("hits"), body.pop("hits"), strict=True):  # type: ignore[call-overload]  # a list
        assert told == {key: kept[key] for key in told}
    assert body == data


def test_an_answer_loses_nothing(tiny_library: Library) -> None:
    data = answer_to_json(tiny_library.ask("How many sides has a red square?"))

    body = AnswerBody.model_validate(data).model_dump(mode="json")

    assert {key: body[key] for key in data if key != "hits"} == {
        key: value for key, value in data.items() if key != "hits"
    }


def test_an_item_is_told_with_its_span_or_its_size(tiny_library: Library) -> None:
    text, picture = (
        ItemBody.model_validate(item_to_json(tiny_library.search("red", modality=kind)[0].item))
        for kind in ("text", "image")
    )

    assert text.span is not None
    assert (picture.width, picture.height, picture.span) == (64, 64, None)


def test_a_job_is_told_as_it_is() -> None:
    job = Job(id="1", library="tiny", state="failed", done=1, total=2, error={"code": "x"})

    assert JobBody.of(job).model_dump()["error"] == {"code": "x"}
