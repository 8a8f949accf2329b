from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from florilegium.cli.app import app
from florilegium.cli.model_transfer import parse_kind, parse_precisions, shown_bytes
from florilegium.errors import ConfigError
from florilegium.model_pull import PullProgress
from tests.tiny_hub import (
    FIRST,
    GGUF_MODEL,
    GGUF_PROJECTOR,
    TinyHub,
    serve,
    write_tiny_gguf,
    write_tiny_transformers,
)
from tests.tiny_onnx import write_tiny_clip

NAME = "tiny--clip"

Run = Callable[..., Result]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyHub]:
    write_tiny_clip(tmp_path / "hub")
    with serve(TinyHub("tiny/clip", tmp_path / "hub"), monkeypatch) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of models that the commands use."""
    folder = tmp_path / "models"
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(folder))
    return folder


@pytest.fixture
def run(folder: Path) -> Run:
    """Return what runs `florilegium models` with some arguments."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["models", *arguments])

    return run


def test_a_pull_prints_the_setting_and_says_the_rest(run: Run, hub: TinyHub, folder: Path) -> None:
    result = run("pull", "tiny/clip")

    assert result.exit_code == 0
    assert result.stdout == 'encoder.name = "onnx_clip:tiny--clip"\n'
    assert f"revision {FIRST}" in result.stderr
    assert (folder / NAME).is_dir()


def test_a_pull_as_json_says_what_is_there_now(run: Run, hub: TinyHub, folder: Path) -> None:
    data = json.loads(run("pull", "tiny/clip", "--revision", "main", "--json").stdout)

    assert data["encoder"] == "onnx_clip:tiny--clip"
    assert data["folder"] == str(folder / NAME)
    assert data["origin"]["revision"] == FIRST
    assert data["precisions"] == ["fp32"]


def test_a_second_pull_says_that_the_model_is_there(run: Run, hub: TinyHub) -> None:
    run("pull", "tiny/clip")

    result = run("pull", "tiny/clip")

    assert result.exit_code == 0
    assert "is there already" in result.stderr


@pytest.mark.usefixtures("hub")
def test_a_failed_pull_is_exit_code_2_with_one_error(run: Run) -> None:
    result = run("pull", "tiny/clap", "--json")

    assert (result.exit_code, result.stdout) == (2, "")
    assert json.loads(result.stderr)["error"]["code"] == "weights_missing"


def test_a_stopped_pull_says_that_it_goes_on(
    run: Run, hub: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("florilegium.cli.model_transfer.pull_model", stop)

    result = run("pull", "tiny/clip")

    assert result.exit_code == 130
    assert "run it again to go on" in result.stderr


def test_the_licence_of_a_card_is_said_before_anything_is_fetched(run: Run, hub: TinyHub) -> None:
    result = run("pull", "mobileclip-s2")

    assert result.exit_code == 2
    assert "apple-amlr" in result.stderr.split("error:")[0]


def test_a_bundle_goes_from_one_folder_to_another(
    run: Run, hub: TinyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("pull", "tiny/clip")
    bundled = run("bundle", "tiny/clip", "-o", str(tmp_path / "tiny.tar"), "--json")
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(tmp_path / "there"))
    hub.headers.clear()
    pulled = run("pull", str(tmp_path / "tiny.tar"))

    assert json.loads(bundled.stdout)["size"] == (tmp_path / "tiny.tar").stat().st_size
    assert pulled.stdout == 'encoder.name = "onnx_clip:tiny--clip"\n'
    assert (tmp_path / "there" / NAME).is_dir()
    assert hub.headers == []


def test_a_bundle_says_what_to_run_on_the_other_machine(
    run: Run, hub: TinyHub, tmp_path: Path
) -> None:
    run("pull", "tiny/clip")

    result = run("bundle", NAME, "--output", str(tmp_path / "my tiny.tar"))

    assert result.exit_code == 0
    assert "florilegium models pull 'my tiny.tar'" in result.stderr


@pytest.mark.parametrize(
    "option",
    [["--revision", "main"], ["--precision", "fp16"], ["--file", "*"], ["--kind", "llama_cpp"]],
)
def test_a_bundle_has_no_other_revision_and_no_other_files(run: Run, option: list[str]) -> None:
    result = run("pull", "tiny.tar", *option)

    assert result.exit_code == 2
    assert "one revision" in result.stderr


@pytest.fixture
def chat_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyHub]:
    write_tiny_gguf(tmp_path / "chat-hub")
    with serve(TinyHub("tiny/chat", tmp_path / "chat-hub"), monkeypatch) as running:
        yield running


def test_a_pull_of_a_chat_model_prints_its_setting_and_says_what_was_checked(
    run: Run, chat_hub: TinyHub, folder: Path
) -> None:
    result = run("pull", "tiny/chat")

    assert result.exit_code == 0
    assert result.stdout == 'chat.name = "llama_cpp:tiny--chat"\n'
    assert "licence: apache-2.0" in result.stderr
    assert "only encoders have a self-test" in result.stderr
    assert (folder / "tiny--chat" / GGUF_MODEL).is_file()


def test_a_pull_of_a_chat_model_as_json_lists_its_files(run: Run, chat_hub: TinyHub) -> None:
    data = json.loads(run("pull", "tiny/chat", "--json").stdout)

    assert data["chat_model"] == "llama_cpp:tiny--chat"
    assert data["files"] == [GGUF_MODEL, GGUF_PROJECTOR, "README.md"]
    assert data["origin"]["revision"] == FIRST


def test_files_are_chosen_by_patterns(run: Run, chat_hub: TinyHub, folder: Path) -> None:
    result = run("pull", "tiny/chat", "--file", "*Q8_0*", "--file", "mmproj*F16*")

    assert result.exit_code == 0
    assert {path.name for path in (folder / "tiny--chat").glob("*.gguf")} == {
        "Tiny-Q8_0.gguf", "mmproj-Tiny-F16.gguf",
    }  # fmt: skip


def test_the_kind_is_chosen_where_a_repository_has_two(run: Run, chat_hub: TinyHub) -> None:
    write_tiny_transformers(chat_hub.commits[FIRST])
    asked = run("pull", "tiny/chat")

    result = run("pull", "tiny/chat", "--kind", "transformers")

    assert asked.exit_code == 2
    assert "--kind llama_cpp" in asked.stderr
    assert result.stdout == 'chat.name = "transformers:tiny--chat"\n'


def test_a_bundle_of_a_chat_model_goes_to_another_machine(
    run: Run, chat_hub: TinyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("pull", "tiny/chat")
    run("bundle", "tiny/chat", "-o", str(tmp_path / "chat.tar"))
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(tmp_path / "there"))

    pulled = run("pull", str(tmp_path / "chat.tar"))

    assert pulled.stdout == 'chat.name = "llama_cpp:tiny--chat"\n'
    assert (tmp_path / "there" / "tiny--chat" / GGUF_MODEL).is_file()


def test_an_unknown_kind_names_the_known_ones() -> None:
    assert parse_kind("mc_llava") == "mc_llava"
    assert parse_kind(None) is None
    with pytest.raises(ConfigError, match="'gguf' is none of onnx_clip, llama_cpp"):
        parse_kind("gguf")


def test_precisions_are_read_in_order() -> None:
    assert parse_precisions(["fp16", "fp32"], ("fp32", "fp16")) == ("fp16", "fp32")
    assert parse_precisions(None, ("fp32",)) == ()


def test_an_unknown_precision_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'int8' is none of fp32, fp16"):
        parse_precisions(["int8"], ("fp32", "fp16"))


def test_the_bar_shows_the_file_and_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr("florilegium.cli.model_transfer.talk_console", lambda: console)

    with shown_bytes() as show:
        show(PullProgress(path="onnx/a\x1b.onnx", done=500_000, total=1_000_000))

    shown = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO of above
    assert "onnx/a\ufffd.onnx" in shown


def test_the_environment_names_the_hub(hub: TinyHub, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "NO_PROXY": "127.0.0.1",
        "FLORILEGIUM_MODELS_FOLDER": str(tmp_path / "models"),
    }
    command = [sys.executable, "-m", "florilegium", "models", "pull", "tiny/clip"]

    fetched = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    offline = subprocess.run(
        [*command[:-1], "tiny/other"], env=environment | {"HF_HUB_OFFLINE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (fetched.returncode, fetched.stdout) == (0, 'encoder.name = "onnx_clip:tiny--clip"\n')
    assert offline.returncode == 2
    assert "HF_HUB_OFFLINE is set" in offline.stderr
