"""Errors that leave the server say nothing of where things lie."""

from __future__ import annotations

import pytest

from florilegium import Library
from florilegium.answers import Answer, Failed, Failure, Finished, Identification, Retrieved, Token
from florilegium.errors import InvalidQueryError, StoreError
from florilegium.serialize import Json
from florilegium.server.ingest_jobs import Job
from florilegium.server.plain_errors import (
    plain_event,
    plain_job,
    plain_report,
    plain_text,
    without_paths,
)
from florilegium.server.served import Served

BOTH_MARKS = "/home/a/it is 'the' \"x\"/m.onnx"


@pytest.fixture
def served(tiny_library: Library) -> Served:
    return Served(name="flowers", title="Flowers", library=tiny_library)


def test_a_library_is_named_by_its_name(served: Served) -> None:
    root = served.library.root

    assert plain_text(f"In {str(root)!r}.", served) == "In 'flowers'."
    told = plain_text(f"{root}/.florilegium/catalog is gone", served)
    assert told == "flowers/.florilegium/catalog is gone"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("'/home/anna b/models/clip.onnx' is gone.", "'…/clip.onnx' is gone."),
        ('"/home/ana\'s files/models/x.onnx" is gone.', '"…/x.onnx" is gone.'),
        (f"{BOTH_MARKS!r} is gone.", "'…/m.onnx' is gone."),
        ("'/srv/a/x.onnx' and '/srv/b/y.onnx' are.", "'…/x.onnx' and '…/y.onnx' are."),
        ("See /var/lib/models/clip.onnx, please", "See …/clip.onnx, please"),
        ("cannot open /home/ana/secret models/x.onnx: no", "cannot open …/x.onnx: no"),
        ("cannot open /home/ana's files/models/x.onnx: no", "cannot open …/x.onnx: no"),
        ("/srv/a/x.onnx and /srv/b/y.onnx, and/or none", "…/x.onnx and …/y.onnx, and/or none"),
        ("/srv/a/x.onnx failed, as input/output did", "…/x.onnx failed, as input/output did"),
        ("http://127.0.0.1:8000/v1/models and 24/7, and/or", None),
        ("'notes/garden.md' is not there any more.", None),
    ],
)
def test_of_other_paths_the_last_part_is_left(served: Served, text: str, plain: str | None) -> None:
    assert plain_text(text, served) == (plain or text)


def test_the_log_keeps_what_is_not_told(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    root = served.library.root
    with pytest.raises(StoreError) as raised, without_paths(served):
        raise StoreError(f"{root}/a is damaged.", hint=f"Look at {root}/a.")

    assert (raised.value.message, raised.value.hint) == (
        "flowers/a is damaged.",
        "Look at flowers/a.",
    )
    assert f"flowers: {root}/a is damaged." in caplog.text


def test_what_somebody_asked_for_is_said_as_it_was(served: Served) -> None:
    with pytest.raises(InvalidQueryError, match="'/etc/roses'"), without_paths(served):
        raise InvalidQueryError("'/etc/roses' is not within the library.")


def test_a_run_that_failed_tells_neither_paths_nor_processes(served: Served) -> None:
    error: Json = {
        "code": "store_failed",
        "message": f"{served.library.root} is full.",
        "hint": None,
    }
    locked: Json = {"code": "index_locked", "message": "process 12 on 'host' writes", "hint": "x"}

    failed = plain_job(Job(id="1", library="flowers", error=error), served).error
    waiting = plain_job(Job(id="1", library="flowers", error=locked), served).error

    assert failed == {"code": "store_failed", "message": "flowers is full.", "hint": None}
    assert waiting is not None
    assert "12" not in str(waiting)
    assert "host" not in str(waiting)
    assert plain_job(Job(id="1", library="flowers"), served).error is None


@pytest.mark.parametrize(
    ("model", "plain"),
    [
        ("llama_cpp:/srv/models/rose.gguf", "llama_cpp:rose.gguf"),
        ("llama_cpp:~/models/rose.gguf", "llama_cpp:rose.gguf"),
        ("transformers:/srv/rose/", "transformers:rose"),
        ("openai:Qwen/Qwen3-VL", "openai:Qwen/Qwen3-VL"),
        ("extractive", "extractive"),
    ],
)
def test_a_chat_model_that_failed_is_told_without_its_path(
    served: Served, model: str, plain: str
) -> None:
    failure = Failure(model=model, code="chat_failed", message="'/srv/models/rose.gguf' broke.")

    told = plain_event(Failed(failure=failure), served)

    assert told == Failed(
        failure=Failure(model=plain, code="chat_failed", message="'…/rose.gguf' broke.")
    )


def test_the_notes_of_an_answer_hold_no_path(served: Served) -> None:
    note = "The chat model failed: '/srv/models/rose.gguf' broke."
    named = Identification(candidates=(), chosen=None, by="vote", note=note)
    found = Retrieved(hits=(), searched="", with_image=True, identification=named)
    answer = Answer(
        text="No.",
        citations=(),
        refused=True,
        confidence=0.0,
        history=(),
        notes=(note,),
        identification=named,
    )

    events = [plain_event(one, served) for one in (found, Finished(answer=answer))]

    assert "…/rose.gguf" in str(events)
    assert "/srv" not in str(events)
    assert plain_event(Token(text="See /srv/a/b."), served) == Token(text="See /srv/a/b.")


def test_a_report_tells_files_of_the_library_and_no_other_path() -> None:
    problem = "The weights in '/srv/models/rose' do not fit into memory."
    failed: Json = {"path": "a /b/c.png", "message": problem, "hint": None}

    told = plain_report({"added": 1, "caption_problem": problem, "caption_failures": [failed]})

    plain = "The weights in '…/rose' do not fit into memory."
    assert told == {
        "added": 1,
        "caption_problem": plain,
        "caption_failures": [{"path": "a /b/c.png", "message": plain, "hint": None}],
    }
