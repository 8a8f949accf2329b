"""The guards of the test run itself: each of them must be able to fire."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest
from PIL import Image

from tests.conftest import LEFT_OUT, ROOT, NetworkBlockedError, draw, write_tiny_folder


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.invalid", b"192.0.2.1"])
def test_looking_up_another_host_is_refused(host: str | bytes) -> None:
    with pytest.raises(NetworkBlockedError, match="tests may reach loopback only"):
        socket.getaddrinfo(host, 80)


def test_connecting_to_another_host_is_refused() -> None:
    with (
        socket.socket() as client,
        pytest.raises(NetworkBlockedError, match=r"'192\.0\.2\.1'"),
    ):
        client.connect(("192.0.2.1", 80))


def test_connecting_without_an_exception_is_refused_as_well() -> None:
    with socket.socket() as client, pytest.raises(NetworkBlockedError):
        client.connect_ex(("192.0.2.1", 80))


def test_a_high_level_client_is_refused() -> None:
    with pytest.raises(NetworkBlockedError, match=r"example\.invalid"):
        socket.create_connection(("example.invalid", 443))


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()

        with socket.create_connection(address, timeout=5) as client:
            connection, _ = server.accept()
            with connection:
                client.sendall(b"rose")
                assert connection.recv(4) == b"rose"


def test_no_setting_of_this_machine_reaches_a_test() -> None:
    assert [name for name in os.environ if name.startswith("FLORILEGIUM_")] == []


def test_user_folders_lie_in_the_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()

    assert Path(platformdirs.user_cache_dir("florilegium")).is_relative_to(base)
    assert Path(platformdirs.user_config_dir("florilegium")).is_relative_to(base)


def test_the_pictures_show_what_their_names_say() -> None:
    square, circle = draw("red", "square"), draw("green", "circle")

    assert square.getpixel((32, 32)) == (255, 0, 0)
    assert square.getpixel((9, 9)) == (255, 0, 0)
    assert circle.getpixel((32, 32)) == (0, 128, 0)
    assert circle.getpixel((9, 9)) == (255, 255, 255)
    assert draw("blue", "triangle").getpixel((32, 60)) == (255, 255, 255)


def test_the_tiny_folder_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_tiny_folder(tmp_path / name)

    first, second = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.*")}
        for folder in (tmp_path / "first", tmp_path / "second")
    )
    assert first == second
    assert len(first) == 7


def test_the_tiny_folder_holds_pictures_that_open(tiny_folder: Path) -> None:
    for file in tiny_folder.rglob("*.png"):
        with Image.open(file) as picture:
            assert picture.size == (64, 64)


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "parallel"])
def test_a_run_names_what_it_leaves_out_and_why(tmp_path: Path, options: list[str]) -> None:
    file = tmp_path / "test_two.py"
    file.write_text(
        "import pytest\n\n@pytest.mark.torch\ndef test_left_out(): ...\n\ndef test_taken(): ...\n",
        encoding="utf-8",
    )

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", str(ROOT),
         "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider", *options, str(file)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip

    assert run.returncode == 0, run.stdout + run.stderr
    assert "markers: not network and not model and not gpu and not torch" in run.stdout
    assert f"    1  torch: {LEFT_OUT['torch']}" in run.stdout
    assert "1 passed" in run.stdout


def test_each_marker_that_is_left_out_by_default_has_a_reason() -> None:
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    for marker in LEFT_OUT:
        assert f"not {marker}" in settings
        assert f'"{marker}: ' in settings
