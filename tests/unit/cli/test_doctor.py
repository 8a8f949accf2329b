from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from florilegium.chat_models.openai.servers import FoundServer
from florilegium.library import Library
from tests.misbehaving_server import MisbehavingServer, refuses
from tests.tiny_onnx import write_tiny_clip
from tests.unit.cli.conftest import FAKES, Run
from tests.unit.test_locking import other_process

KEY = "s3cr3t-key"


def test_a_library_that_can_work_is_exit_code_0(ingested: Run) -> None:
    result = ingested("doctor", "--json")

    assert result.exit_code == 0
    assert [check["name"] for check in json.loads(result.stdout) if not check["ok"]] == []


def test_a_library_without_an_index_is_exit_code_1(run: Run) -> None:
    result = run("doctor")

    assert result.exit_code == 1
    assert "WRONG" in result.stdout
    assert "florilegium ingest" in result.stdout


def test_a_chat_model_that_is_not_there_is_found(ingested: Run) -> None:
    result = ingested("doctor", "--json", "--set", "chat.name=oracle")

    (wrong,) = [check for check in json.loads(result.stdout) if not check["ok"]]
    assert result.exit_code == 1
    assert wrong["name"] == "chat model"
    assert "oracle" in wrong["message"]


def test_the_engine_that_was_chosen_is_shown_with_what_was_measured(
    ingested: Run, tmp_path: Path
) -> None:
    write_tiny_clip(tmp_path / "tiny")

    result = ingested("doctor", "--json", "--set", f"encoder.name=onnx_clip:{tmp_path / 'tiny'}")

    (found,) = [c for c in json.loads(result.stdout) if c["name"] == "image-text encoder"]
    assert found["ok"]
    assert re.search(r"pictures by (onnxruntime|openvino) \w+.*: \d+ pictures/s", found["message"])
    assert re.search(r"texts by (onnxruntime|openvino) \w+.*: \d+ texts/s", found["message"])


def test_a_good_check_is_marked_so(ingested: Run) -> None:
    result = ingested("doctor")

    assert "WRONG" not in result.stdout
    assert result.stdout.count(" ok ") >= 4


def test_each_part_has_its_own_finding(ingested: Run) -> None:
    result = ingested("doctor", "--json", "--set", "encoder.name=oracle")

    wrong = [check["name"] for check in json.loads(result.stdout) if not check["ok"]]
    assert wrong == ["image-text encoder", "index"]


def test_a_chat_server_that_is_down_is_wrong_with_its_address(ingested: Run) -> None:
    down = ("chat.name=openai:x", "chat.base_url=http://127.0.0.1:9/v1", "chat.retries=0")

    result = ingested("doctor", "--json", *(word for one in down for word in ("--set", one)))

    (wrong,) = [check for check in json.loads(result.stdout) if not check["ok"]]
    assert result.exit_code == 1
    assert wrong["name"] == "chat model"
    assert "127.0.0.1:9" in wrong["message"]


@pytest.mark.parametrize(
    ("server", "message", "hint"),
    [
        (
            FoundServer(name="Ollama", base_url="http://x/v1", models=("llava:7b", "qwen", "b")),
            "Ollama at http://x/v1 with llava:7b and 2 more",
            'To use it: chat.name = "openai:llava:7b", chat.base_url = "http://x/v1"',
        ),
        (FoundServer(name="Jan", base_url="u", models=()), "Jan at u, without models", None),
        (
            FoundServer(name="vLLM", base_url="u", models=(), needs_key=True),
            "vLLM at u, which asks for a key",
            'To use it: chat.base_url = "u", and chat.api_key_env',
        ),
    ],
)
def test_servers_that_run_here_are_listed_with_their_settings(
    ingested: Run,
    monkeypatch: pytest.MonkeyPatch,
    server: FoundServer,
    message: str,
    hint: str | None,
) -> None:
    monkeypatch.setattr("florilegium.cli.doctor.find_servers", lambda: [server])

    result = ingested("doctor", "--json")

    *_, found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found == {"name": "server", "ok": True, "message": message, "hint": hint}


# -- damage --


def lose_vectors(folder: Path) -> None:
    """Take the vectors of all pictures out of the store."""
    with Library.open(folder, overrides=FAKES) as library:
        index = library.index
        index.store.delete(index.pictures, sorted(index.store.ids(index.pictures)))


def test_lost_vectors_are_wrong_and_the_hint_mends_them(ingested: Run, folder: Path) -> None:
    lose_vectors(folder)

    result = ingested("doctor", "--json")

    (wrong,) = [check for check in json.loads(result.stdout) if not check["ok"]]
    assert result.exit_code == 1
    assert wrong["name"] == "files: store"
    assert wrong["message"] == "The vector store lacks 2 records that the catalog knows."
    assert "florilegium doctor --repair" in wrong["hint"]


def test_a_repair_says_what_was_done_and_ends_well(ingested: Run, folder: Path) -> None:
    lose_vectors(folder)

    result = ingested("doctor --repair --json")

    said = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [(one["code"], one["count"], one["done"]) for one in said["mended"]] == [
        ("missing", 2, "2 vectors put again.")
    ]
    assert (said["left"], said["encoded"], said["ingest"]["unchanged"]) == ([], 0, 4)
    assert all(check["ok"] for check in said["checks"])
    assert ingested("doctor --deep").exit_code == 0


def test_a_repair_is_a_table_for_people(ingested: Run, folder: Path) -> None:
    lose_vectors(folder)

    result = ingested("doctor --repair")

    assert result.exit_code == 0
    assert "2 vectors put again." in " ".join(result.stdout.split())
    assert "WRONG" not in result.stdout


def test_a_repair_of_a_healthy_library_says_so(ingested: Run) -> None:
    result = ingested("doctor --repair")

    assert result.exit_code == 0
    assert "Nothing had to be mended." in result.stderr


def test_making_an_index_anew_is_said_before(ingested: Run, folder: Path) -> None:
    next(folder.rglob("catalog.db")).write_bytes(b"no catalog any more" * 99)

    result = ingested("doctor --repair")

    assert result.exit_code == 0
    assert "The index is made anew" in result.stderr


def test_a_repair_under_another_writer_says_who_it_is(ingested: Run, folder: Path) -> None:
    with other_process(folder / ".florilegium"):
        checked, repaired = ingested("doctor"), ingested("doctor --repair")

    assert (checked.exit_code, repaired.exit_code) == (0, 1)
    assert "Not compared" in checked.stdout
    assert "testing" in repaired.stderr


def test_a_key_in_an_address_is_not_shown(ingested: Run) -> None:
    says_no = refuses(404, {"detail": f"Cannot POST /v1/chat/completions?api-key={KEY}"})
    with MisbehavingServer(says_no) as server:
        address = f"{server.base_url}?api-key={KEY}"
        chat = ("--set", "chat.name=openai:rose", "--set", f"chat.base_url={address}")
        rerank = ("--set", "rerank.name=served", "--set", f"rerank.base_url={address}")
        result = ingested("doctor", "--json", *chat, *rerank)

    wrong = {check["name"] for check in json.loads(result.stdout) if not check["ok"]}
    assert wrong == {"chat model", "reranker"}
    assert server.asked
    assert KEY not in result.stdout + result.stderr
