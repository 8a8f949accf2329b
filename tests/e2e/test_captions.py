"""Captions by a chat model behind a server, from the command line and back to it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_cli import _run
from tests.misbehaving_server import Behaviour, MisbehavingServer, refuses, says
from tests.unit.caption_samples import captions, make_folder

Environment = dict[str, str]


def ingest(
    folder: Path, environment: Environment, server: MisbehavingServer, *flags: str
) -> subprocess.CompletedProcess[str]:
    settings = {
        "chat.name": "openai:watcher",
        "chat.base_url": server.base_url,
        "chat.vision": "yes",
        "chat.retries": "0",
    }
    pairs = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return _run(folder, environment, "ingest", *pairs, *flags)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Return the variables of a user who has no settings."""
    home = {name: str(tmp_path / "home") for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    return {**os.environ, **home, "NO_COLOR": ""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a library of three pictures without a word, which captions nothing by itself."""
    return make_folder(tmp_path / "pictures", **{"ingest.captions": "off"})


def test_what_a_server_says_of_pictures_is_found_and_shown(
    folder: Path, environment: Environment
) -> None:
    with MisbehavingServer(says("An ", "aubergine zebra.")) as server:
        first = ingest(folder, environment, server, "--captions", "--json")
        asked = list(server.asked)
        second = ingest(folder, environment, server, "--captions")

        assert len(server.asked) == len(asked) == 3
    report = json.loads(first.stdout)
    assert (first.returncode, first.stderr) == (0, "")
    assert (report["captioned"], report["caption_failures"], report["captions_left"]) == (3, [], 0)
    assert report["caption_problem"] is None
    assert [len(request.pictures) for request in asked] == [1, 1, 1]
    assert {request.body["temperature"] for request in asked} == {0.0}
    assert (second.returncode, second.stderr) == (0, "")
    hits = json.loads(_run(folder, environment, "search", "zebra", "--json").stdout)
    pictures = [hit for hit in hits if hit["modality"] == "image"]
    assert [hit["machine_caption"] for hit in pictures] == ["An aubergine zebra."] * 3


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (refuses(400, {"error": {"message": "zebra not allowed"}}), "chat_rejected"),
        (says("I'm sorry, no zebra."), "caption_refused"),
        (says("A zebra that is", finish="length"), "caption_cut"),
    ],
)
def test_failures_are_listed_and_are_no_failure_of_the_ingest(
    folder: Path, environment: Environment, behaviour: Behaviour, code: str
) -> None:
    with MisbehavingServer(behaviour) as server:
        result = ingest(folder, environment, server, "--captions", "--json")
        table = ingest(folder, environment, server, "--captions")

    report = json.loads(result.stdout)
    assert (result.returncode, table.returncode) == (0, 0)
    assert (report["captioned"], report["added"]) == (0, 4)
    assert [failure["code"] for failure in report["caption_failures"]] == [code] * 3
    assert "Pictures without a caption" in table.stdout
    assert "IMG_1.png" in table.stdout
    assert captions(folder) == {}


def test_a_server_that_is_down_is_told_and_the_files_are_in(
    folder: Path, environment: Environment
) -> None:
    with MisbehavingServer(says("A zebra.")) as server:
        pass

    result = ingest(folder, environment, server, "--captions")
    search = _run(folder, environment, "search", "nothing of a picture", "--json")

    assert result.returncode == 0
    assert "captioning stopped: " in result.stderr
    assert ["captions", "left", "3"] in [line.split() for line in result.stdout.splitlines()]
    assert json.loads(search.stdout)[0]["path"] == "text.txt"


def test_no_captions_takes_them_off_and_a_blind_model_is_a_usage_error(
    folder: Path, environment: Environment
) -> None:
    with MisbehavingServer(says("A zebra.")) as server:
        ingest(folder, environment, server, "--captions")
        on = captions(folder)
        ingest(folder, environment, server, "--no-captions")
        off = captions(folder)

    blind = _run(folder, environment, "ingest", "--captions", "--set", "chat.name=extractive")

    assert (len(on), off) == (3, {})
    assert blind.returncode == 2
    assert blind.stderr.startswith("error: The chat model 'extractive' sees no pictures")
