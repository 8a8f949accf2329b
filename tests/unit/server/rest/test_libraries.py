"""Counting, ingesting and uploading over HTTP."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.app import create_app
from tests.unit.server.samples import HERE, assert_error

LIBRARY = "/api/libraries/tiny"


def ended(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    for _ in range(1200):
        found: dict[str, Any] = client.get(f"{LIBRARY}/ingest/{job['id']}").json()
        if found["state"] != "running":
            return found
        threading.Event().wait(0.05)
    raise AssertionError("The run did not end.")


def test_the_server_says_that_it_is_up(client: TestClient) -> None:
    assert client.get("/api/health").json()["status"] == "ok"


def test_a_library_is_counted(client: TestClient) -> None:
    found = client.get(LIBRARY).json()

    assert (found["sources"], found["images"], found["texts"]) == (7, 3, 4)
    assert found["encoders"] == ["fake:32"]


def test_an_unknown_library_is_not_found(client: TestClient) -> None:
    for path in ("", "/ingest"):
        assert_error(client.get(f"/api/libraries/none{path}"), 404, "not_found")
    assert_error(client.post("/api/libraries/none/search", json={"text": "a"}), 404, "not_found")


def test_an_uploaded_file_is_found_after_the_next_ingest(
    client: TestClient, tiny_folder: Path
) -> None:
    text = b"A yellow pentagon has five sides."

    uploaded = client.post(f"{LIBRARY}/files", files={"file": ("../yellow pentagon.txt", text)})
    job = client.post(f"{LIBRARY}/ingest", json={})

    assert (uploaded.status_code, uploaded.json()) == (201, {"path": "yellow pentagon.txt"})
    assert (tiny_folder / "yellow pentagon.txt").read_bytes() == text
    assert job.status_code == 202
    assert ended(client, job.json())["report"]["added"] == 1
    body = {"text": "yellow pentagon", "top_k": 1}
    found = client.post(f"{LIBRARY}/search", json=body).json()["hits"]
    assert found[0]["path"] == "yellow pentagon.txt"
    assert [job["state"] for job in client.get(f"{LIBRARY}/ingest").json()] == ["done"]


def test_a_second_run_is_refused_and_the_first_can_be_cancelled(client: TestClient) -> None:
    job = client.post(f"{LIBRARY}/ingest", json={"rebuild": True}).json()

    assert_error(client.post(f"{LIBRARY}/ingest", json={}), 423, "index_locked")
    answer = client.delete(f"{LIBRARY}/ingest/{job['id']}")

    assert answer.status_code == 202
    assert ended(client, job)["state"] in {"cancelled", "done"}


def test_an_unknown_run_is_not_found(client: TestClient) -> None:
    assert_error(client.get(f"{LIBRARY}/ingest/none"), 404, "not_found")
    assert_error(client.delete(f"{LIBRARY}/ingest/none"), 404, "not_found")


def test_a_file_of_a_kind_that_is_not_read_is_refused(
    client: TestClient, tiny_folder: Path
) -> None:
    answer = client.post(f"{LIBRARY}/files", files={"file": ("florilegium.toml", b"[chat]")})

    assert_error(answer, 415, "source_unsupported")
    assert sorted(f.name for f in tiny_folder.glob("*.toml")) == ["florilegium.toml"]
    assert (tiny_folder / "florilegium.toml").read_bytes() != b"[chat]"


def test_a_run_needs_no_body(client: TestClient) -> None:
    job = client.post(f"{LIBRARY}/ingest")

    assert job.status_code == 202
    assert ended(client, job.json())["state"] == "done"


def test_several_files_in_one_request_are_refused(client: TestClient, tiny_folder: Path) -> None:
    files = [("file", (f"{name}.txt", b"A text.")) for name in "ab"]

    error = assert_error(client.post(f"{LIBRARY}/files", files=files), 422, "request_invalid")

    assert "2 files" in error["message"]
    assert not (tiny_folder / "a.txt").exists()
    assert not (tiny_folder / "b.txt").exists()


def test_a_body_that_is_no_form_is_refused_as_such(client: TestClient) -> None:
    json = client.post(f"{LIBRARY}/files", json={"file": "A text."})
    nothing = client.post(f"{LIBRARY}/files")

    for answer in (json, nothing):
        assert "multipart/form-data" in assert_error(answer, 415, "body_unsupported")["hint"]


def test_a_further_field_of_an_upload_is_refused(client: TestClient, tiny_folder: Path) -> None:
    answer = client.post(
        f"{LIBRARY}/files", files={"file": ("a.txt", b"A text.")}, data={"folder": "roses"}
    )

    assert "'folder'" in assert_error(answer, 422, "request_invalid")["message"]
    assert not (tiny_folder / "a.txt").exists()


def test_a_name_keeps_nothing_of_how_browsers_escape_it(client: TestClient) -> None:
    body = (
        '--x\r\nContent-Disposition: form-data; name="file"; '
        'filename="画 %22q%22 50% <b>.md"\r\n\r\nA text.\r\n--x--\r\n'
    )

    answer = client.post(
        f"{LIBRARY}/files",
        content=body.encode(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )

    assert answer.json() == {"path": "画 q 50% b.md"}


def test_the_very_same_file_is_answered_with_the_one_that_is_there(client: TestClient) -> None:
    answers = [
        client.post(f"{LIBRARY}/files", files={"file": ("a.txt", text)})
        for text in (b"one", b"one", b"two")
    ]

    assert [answer.status_code for answer in answers] == [201, 200, 201]
    assert [answer.json()["path"] for answer in answers] == ["a.txt", "a.txt", "a (2).txt"]


def test_empty_files_and_texts_called_pictures_are_refused(client: TestClient) -> None:
    empty = client.post(f"{LIBRARY}/files", files={"file": ("a.txt", b"")})
    text = client.post(f"{LIBRARY}/files", files={"file": ("a.jpg", b"A rose.")})

    assert "empty" in assert_error(empty, 422, "request_invalid")["message"]
    assert "not a picture" in assert_error(text, 422, "source_unreadable")["message"]


def test_a_library_may_have_a_name_of_any_script_at_all_doors(
    tiny_library: Library, config: ServerConfig
) -> None:
    app = create_app({"花卉库": tiny_library}, config=config.model_copy(update={"metrics": True}))
    with TestClient(app, base_url=HERE) as client:
        library = client.get("/api/libraries/花卉库").json()
        found = client.post("/api/libraries/花卉库/search", json={"text": "circle"}).json()["hits"]
        picture = next(hit["id"] for hit in found if hit["modality"] == "image")
        page = client.get(f"/items/花卉库/{picture}")
        models = [model["id"] for model in client.get("/v1/models").json()["data"]]
        metrics = client.get("/metrics").text

    assert library["name"] == "花卉库"
    source = f"/api/libraries/%E8%8A%B1%E5%8D%89%E5%BA%93/items/{picture}/picture"
    assert source in page.text
    assert models[0] == "花卉库"
    assert 'library="花卉库"' in metrics
