"""Against a hub on loopback, in the words of the real one."""

from __future__ import annotations

import errno
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from florilegium.errors import WeightsNotFoundError
from florilegium.model_hub import HubFile, ModelHub, Repository, is_same
from tests.tiny_hub import FIRST, SECOND, TinyHub, serve

NAME = "tiny/clip"
GRAPH = "onnx/text_model.onnx"
WEIGHTS = bytes(range(256)) * 40


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyHub]:
    folder = tmp_path / "hub"
    (folder / "onnx").mkdir(parents=True)
    (folder / GRAPH).write_bytes(WEIGHTS)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "empty.txt").touch()
    with serve(TinyHub(NAME, folder), monkeypatch) as running:
        yield running


def _list(revision: str | None = None) -> Repository:
    return ModelHub().list_repository(NAME, revision=revision)


def _fetch(path: str, target: Path) -> list[int]:
    repository = _list()
    (file,) = [file for file in repository.files if file.path == path]
    reports: list[int] = []
    ModelHub().fetch(repository, file, target, report=reports.append)
    return reports


def test_a_repository_is_listed_with_what_the_hub_knows_of_its_files(hub: TinyHub) -> None:
    repository = _list()

    by_path = {file.path: file for file in repository.files}
    assert (repository.commit, repository.licence) == (FIRST, "apache-2.0")
    assert by_path[GRAPH] == HubFile(
        path=GRAPH, size=10240, sha256=hashlib.sha256(WEIGHTS).hexdigest()
    )
    # What `git hash-object` prints for a file of these two characters.
    assert by_path["config.json"] == HubFile(
        path="config.json", size=2, blob_id="9e26dfeeb6e641a33dae4961196235bdb965b21b"
    )


def test_a_branch_is_resolved_to_its_commit(hub: TinyHub, tmp_path: Path) -> None:
    hub.publish(SECOND, tmp_path / "hub")

    assert _list("main").commit == SECOND
    assert _list(FIRST).commit == FIRST


def test_a_repository_without_a_licence_has_none(hub: TinyHub) -> None:
    hub.licence = None

    assert _list().licence is None


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "c:\\d", "a//b", ""])
def test_a_path_that_leads_elsewhere_is_left_out(hub: TinyHub, path: str) -> None:
    hub.listing = (
        b'{"sha": "1", "siblings": [{"rfilename": %s, "size": 1}, {"rfilename": "b", "size": 2}]}'
        % repr(path).replace("'", '"').encode()
    )

    assert [file.path for file in _list().files] == ["b"]


@pytest.mark.parametrize(
    ("refusal", "message", "hint"),
    [
        ((403, "GatedRepo"), "only to those who agreed to its terms", "HF_TOKEN"),
        ((401, ""), "no repository 'tiny/clip' that you may read", "HF_TOKEN"),
        ((404, "RepoNotFound"), "no repository 'tiny/clip' that you may read", "Mend the name"),
        ((503, ""), "status 503", "goes on where it stopped"),
        ((429, ""), "status 429", "later"),
    ],
)
def test_a_refusal_says_what_to_do(
    hub: TinyHub, refusal: tuple[int, str], message: str, hint: str
) -> None:
    hub.refusal = refusal

    with pytest.raises(WeightsNotFoundError, match=message) as caught:
        _list()

    assert hint in str(caught.value.hint)


def test_a_repository_that_is_not_there_is_named(hub: TinyHub) -> None:
    with pytest.raises(WeightsNotFoundError, match="no repository 'tiny/clap'"):
        ModelHub().list_repository("tiny/clap", revision=None)


def test_a_revision_that_is_not_there_is_named(hub: TinyHub) -> None:
    with pytest.raises(WeightsNotFoundError, match="'tiny/clip' has no revision 'v2'") as caught:
        _list("v2")

    assert "--revision" in str(caught.value.hint)


@pytest.mark.parametrize("listing", [b"<html>Log in!</html>", b"[]", b'{"sha": "1"}'])
def test_what_is_no_hub_is_recognised(hub: TinyHub, listing: bytes) -> None:
    hub.listing = listing

    with pytest.raises(WeightsNotFoundError, match="is no model hub") as caught:
        _list()

    assert "HF_ENDPOINT" in str(caught.value.hint)


def test_a_hub_that_is_out_of_reach_is_named_with_the_way_around_it(hub: TinyHub) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"

    with pytest.raises(WeightsNotFoundError, match="cannot be reached") as caught:
        ModelHub(endpoint).list_repository(NAME, revision=None)

    assert endpoint in caught.value.message
    assert "florilegium models bundle" in str(caught.value.hint)


def test_nothing_is_asked_when_offline(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(WeightsNotFoundError, match="HF_HUB_OFFLINE is set") as caught:
        _list()

    assert "florilegium models bundle" in str(caught.value.hint)
    assert hub.headers == []


def test_the_hub_learns_nothing_but_who_asks(hub: TinyHub) -> None:
    _list()

    (headers,) = hub.headers
    assert headers["user-agent"].startswith("florilegium/")
    assert "authorization" not in headers


def test_a_token_of_the_user_is_sent(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    monkeypatch.setenv("HF_TOKEN", "hf_rose")

    _list()

    assert hub.headers[0]["authorization"] == "Bearer hf_rose"


def test_a_file_is_fetched_whole(hub: TinyHub, tmp_path: Path) -> None:
    reports = _fetch(GRAPH, tmp_path / "new" / "text.onnx")

    assert (tmp_path / "new" / "text.onnx").read_bytes() == WEIGHTS
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["text.onnx"]
    assert reports[-1] == 10240


def test_an_empty_file_is_fetched_too(hub: TinyHub, tmp_path: Path) -> None:
    _fetch("empty.txt", tmp_path / "empty.txt")

    assert (tmp_path / "empty.txt").read_bytes() == b""


def test_a_cut_connection_is_resumed_where_it_was_cut(hub: TinyHub, tmp_path: Path) -> None:
    hub.cuts[GRAPH] = [4000, 1000]

    _fetch(GRAPH, tmp_path / "text.onnx")

    assert (tmp_path / "text.onnx").read_bytes() == WEIGHTS
    assert hub.asked == [(GRAPH, 0), (GRAPH, 4000), (GRAPH, 5000)]


def test_a_connection_that_brings_nothing_ends_it_and_what_came_before_is_kept(
    hub: TinyHub, tmp_path: Path
) -> None:
    hub.cuts[GRAPH] = [4000, 0]

    with pytest.raises(WeightsNotFoundError, match="cannot be reached"):
        _fetch(GRAPH, tmp_path / "text.onnx")
    _fetch(GRAPH, tmp_path / "text.onnx")

    assert (tmp_path / "text.onnx").read_bytes() == WEIGHTS
    assert hub.asked[-1] == (GRAPH, 4000)


def test_a_server_that_cannot_resume_is_asked_for_all_of_it(hub: TinyHub, tmp_path: Path) -> None:
    hub.ignores_ranges = True
    hub.cuts[GRAPH] = [4000]

    _fetch(GRAPH, tmp_path / "text.onnx")

    assert (tmp_path / "text.onnx").read_bytes() == WEIGHTS


@pytest.mark.parametrize("path", [GRAPH, "config.json"])
def test_a_damaged_file_is_refused_and_not_kept(hub: TinyHub, tmp_path: Path, path: str) -> None:
    hub.damaged.add(path)

    with pytest.raises(WeightsNotFoundError, match="arrived damaged") as caught:
        _fetch(path, tmp_path / "new" / "file")

    assert path in caught.value.message
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("beginning", [b"of another revision", bytes(20000)])
def test_a_beginning_that_does_not_fit_is_thrown_away(
    hub: TinyHub, tmp_path: Path, beginning: bytes
) -> None:
    (tmp_path / "text.onnx.incomplete").write_bytes(beginning)

    _fetch(GRAPH, tmp_path / "text.onnx")

    assert (tmp_path / "text.onnx").read_bytes() == WEIGHTS
    assert hub.asked[-1] == (GRAPH, 0)


def test_a_file_that_is_there_is_not_asked_for_again(hub: TinyHub, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_bytes(WEIGHTS)

    reports = _fetch(GRAPH, tmp_path / "text.onnx")

    assert hub.asked == []
    assert reports == [10240]


def test_another_file_of_the_same_size_is_replaced(hub: TinyHub, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_bytes(WEIGHTS[::-1])

    _fetch(GRAPH, tmp_path / "text.onnx")

    assert (tmp_path / "text.onnx").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("code", "hint"),
    [(errno.ENOSPC, "Free some disk space"), (errno.EACCES, "FLORILEGIUM_MODELS_FOLDER")],
)
def test_a_file_that_cannot_be_written_says_why(
    hub: TinyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, hint: str
) -> None:
    really_open = Path.open

    def fail(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.suffix == ".incomplete":
            raise OSError(code, "no way")
        return really_open(self, *arguments, **options)

    repository = _list()
    (file,) = [file for file in repository.files if file.path == GRAPH]
    monkeypatch.setattr(Path, "open", fail)

    with pytest.raises(WeightsNotFoundError, match="cannot be written: no way") as caught:
        ModelHub().fetch(repository, file, tmp_path / "text.onnx", report=lambda _: None)

    assert hint in str(caught.value.hint)


def test_without_a_hash_the_size_alone_decides(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"rose")

    assert is_same(tmp_path / "file", HubFile(path="file", size=4))
    assert not is_same(tmp_path / "file", HubFile(path="file", size=5))
