"""Users are added, listed and removed from the command line, and no secret is shown but once."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from florilegium.cli.app import app
from florilegium.config_sections import ServerConfig
from florilegium.library import Library
from florilegium.server.account_book import Users
from florilegium.server.keys import digest
from florilegium.server.passwords import is_password_of
from florilegium.server.users_file import read_accounts
from tests.unit.server.access_samples import account, write_users

PASSWORD = "correct horse"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.toml"


def users(file: Path, command: str, *arguments: str, stdin: str = "") -> Result:
    """Run a command on a file of accounts."""
    flags = ["--users", str(file)]
    return CliRunner().invoke(app, ["users", command, *arguments, *flags], input=stdin)


def add(file: Path, name: str, *arguments: str, password: str = PASSWORD) -> Result:
    return users(file, "add", name, "--password-stdin", *arguments, stdin=f"{password}\n")


def test_a_user_is_added_to_a_file_for_its_owner_only(file: Path) -> None:
    result = add(file, "anna", "--library", "flowers", "--library", "stamps", "--may-write")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "added anna\n")
    anna = read_accounts(file)["anna"]
    assert anna.user.libraries == frozenset({"flowers", "stamps"})
    assert anna.user.may_write
    assert is_password_of(anna.password, PASSWORD)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_flags_a_user_sees_all_and_writes_nothing(file: Path) -> None:
    add(file, "anna")

    user = read_accounts(file)["anna"].user
    assert user.libraries is None
    assert not user.may_write


def test_who_gets_the_name_of_a_removed_user_is_somebody_else(file: Path) -> None:
    add(file, "anna")
    first = read_accounts(file)["anna"].user
    users(file, "password", "anna", "--password-stdin", stdin="another one\n")
    assert read_accounts(file)["anna"].user == first

    users(file, "remove", "anna")
    add(file, "anna")

    second = read_accounts(file)["anna"].user
    assert second.owner != first.owner
    assert "anna" not in {first.owner, second.owner}


def test_the_password_is_asked_for_twice(file: Path) -> None:
    result = users(file, "add", "anna", stdin=f"{PASSWORD}\nother one\n{PASSWORD}\n{PASSWORD}\n")

    assert result.exit_code == 0
    assert "do not match" in result.stderr
    assert PASSWORD not in result.output
    assert is_password_of(read_accounts(file)["anna"].password, PASSWORD)


def test_a_terminal_does_not_show_the_password(file: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "florilegium", "users", "add", "anna", "--users", str(file)]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        shown = b""
        for question in (b"Password: ", b"The same again: "):
            while question not in shown:
                shown += os.read(ours, 1024)
            os.write(ours, f"{PASSWORD}\n".encode())
        process.wait(timeout=60)
        with suppress(OSError):  # which Linux says at the end
            while piece := os.read(ours, 1024):
                shown += piece
    os.close(ours)

    assert process.returncode == 0
    assert b"added anna" in shown
    assert PASSWORD.encode() not in shown


@pytest.mark.parametrize(
    ("arguments", "password", "fault"),
    [
        (["anna"], "short", "8 to 1024 characters"),
        (["a b"], PASSWORD, "cannot be the name of an account"),
        (["local"], PASSWORD, "stands for users without one"),
        (["anna", "--library", "../x"], PASSWORD, "cannot be the name of a library"),
    ],
)
def test_what_cannot_be_added_is_said(
    file: Path, arguments: list[str], password: str, fault: str
) -> None:
    result = add(file, *arguments, password=password)

    assert result.exit_code == 2
    assert fault in result.stderr
    assert not file.exists()


def test_a_user_is_not_added_twice(file: Path) -> None:
    add(file, "anna")
    before = file.read_bytes()

    result = add(file, "anna", password="another one")

    assert result.exit_code == 2
    assert "There is a user 'anna' already." in result.stderr
    assert file.read_bytes() == before


def test_a_name_that_differs_by_capitals_alone_is_refused(file: Path) -> None:
    add(file, "ben", "--library", "flowers")

    result = add(file, "Ben")

    assert result.exit_code == 2
    assert "people would take it for 'ben'" in result.stderr
    assert set(read_accounts(file)) == {"ben"}


def test_a_file_with_names_alike_is_listed_and_told_of(file: Path) -> None:
    write_users(file, account("ben"), account("Ben"))

    result = users(file, "list", "--json")

    assert [one["name"] for one in json.loads(result.stdout)] == ["Ben", "ben"]
    assert "Ben and ben are taken for one" in result.stderr


def test_rights_are_changed_and_all_else_stays(file: Path) -> None:
    add(file, "anna", "--library", "flowers")
    users(file, "key", "anna", "laptop")
    before = read_accounts(file)["anna"]
    served = Users(file)

    result = users(file, "change", "anna", "--may-write", "--library", "a", "--library", "b")

    assert (result.exit_code, result.stderr) == (0, "changed what anna may do\n")
    anna = read_accounts(file)["anna"]
    rights = replace(before.user, libraries=frozenset({"a", "b"}), may_write=True)
    assert anna == replace(before, user=rights)
    assert anna.user.owner == before.user.owner
    assert served.user_of_key(anna.keys["laptop"]) == rights


def test_rights_that_are_not_named_stay(file: Path) -> None:
    add(file, "anna", "--library", "flowers", "--may-write")

    users(file, "change", "anna", "--all-libraries")
    anna = read_accounts(file)["anna"].user
    assert (anna.libraries, anna.may_write) == (None, True)

    users(file, "change", "anna", "--library", "flowers")
    users(file, "change", "anna", "--no-may-write")
    anna = read_accounts(file)["anna"].user
    assert (anna.libraries, anna.may_write) == (frozenset({"flowers"}), False)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], "There is nothing to change."),
        (["--library", "a", "--all-libraries"], "contradict each other"),
        (["--library", "../x"], "cannot be the name of a library"),
    ],
)
def test_a_change_that_cannot_be_made_is_said(file: Path, arguments: list[str], fault: str) -> None:
    add(file, "anna", "--library", "flowers")
    before = file.read_bytes()

    result = users(file, "change", "anna", *arguments)

    assert result.exit_code == 2
    assert fault in result.stderr
    assert file.read_bytes() == before


def test_a_user_is_removed(file: Path) -> None:
    add(file, "anna")
    add(file, "ben")

    assert users(file, "remove", "anna").exit_code == 0
    assert set(read_accounts(file)) == {"ben"}
    assert users(file, "remove", "anna").exit_code == 2


def test_a_key_is_printed_once_and_lets_in_until_it_is_revoked(file: Path) -> None:
    add(file, "anna")
    served = Users(file)

    key = users(file, "key", "anna", "laptop").stdout.strip()

    found = served.user_of_key(digest(key))
    assert found is not None
    assert found.name == "anna"
    assert key not in file.read_text(encoding="utf-8")
    assert users(file, "key", "anna", "laptop").exit_code == 2
    assert users(file, "revoke", "anna", "laptop").exit_code == 0
    assert served.user_of_key(digest(key)) is None
    assert "has no key 'laptop'" in users(file, "revoke", "anna", "laptop").stderr


def test_a_password_is_changed_and_keys_stay(file: Path) -> None:
    add(file, "anna", "--library", "flowers")
    users(file, "key", "anna", "laptop")

    result = users(file, "password", "anna", "--password-stdin", stdin="another one\n")

    assert result.exit_code == 0
    anna = read_accounts(file)["anna"]
    assert is_password_of(anna.password, "another one")
    assert anna.user.libraries == frozenset({"flowers"})
    assert list(anna.keys) == ["laptop"]


@pytest.mark.parametrize(
    "command", [["remove", "carl"], ["key", "carl", "a"], ["revoke", "carl", "a"],
                ["change", "carl", "--may-write"], ["password", "carl", "--password-stdin"]]
)  # fmt: skip
def test_a_user_who_is_not_there_is_named(file: Path, command: list[str]) -> None:
    add(file, "anna")

    result = users(file, *command)

    assert result.exit_code == 2
    assert "There is no user 'carl'." in result.stderr


def test_a_list_shows_no_hash(file: Path) -> None:
    add(file, "ben")
    add(file, "anna", "--library", "flowers", "--may-write")
    users(file, "key", "anna", "laptop")

    table = users(file, "list").stdout
    data = users(file, "list", "--json").stdout

    assert [line.split() for line in table.splitlines()[2:] if line] == [
        ["anna", "flowers", "yes", "laptop"],
        ["ben", "all", "no"],
    ]
    assert json.loads(data) == [
        {"name": "anna", "libraries": ["flowers"], "may_write": True, "keys": ["laptop"]},
        {"name": "ben", "libraries": None, "may_write": False, "keys": []},
    ]
    anna = read_accounts(file)["anna"]
    assert not any(secret in table + data for secret in (anna.password, anna.keys["laptop"]))


def test_a_damaged_file_is_not_written_over(file: Path) -> None:
    file.write_text("[users.anna]\npassword = 'x'\n", encoding="utf-8")

    for result in (users(file, "list", "--json"), add(file, "ben")):
        assert result.exit_code == 2
        assert "damaged" in result.stderr
    assert "ben" not in file.read_text(encoding="utf-8")


def test_the_file_is_that_of_the_settings(
    file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    runner = CliRunner()
    none = runner.invoke(app, ["users", "list"])
    assert none.exit_code == 2
    assert "No file of accounts is configured." in none.stderr

    with (folder / "florilegium.toml").open("a", encoding="utf-8") as settings:
        settings.write(f'\n[server]\nusers_file = "{file}"\n')
    add(file, "anna")

    assert "anna" in runner.invoke(app, ["users", "list"]).stdout
    with Library.open(folder) as library:
        assert library.settings.config.server == ServerConfig(users_file=str(file))


def test_outside_of_a_library_the_settings_of_the_user_count(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLORILEGIUM_SERVER__USERS_FILE", str(file))
    add(file, "anna")

    assert "anna" in CliRunner().invoke(app, ["users", "list"]).stdout


def test_without_the_extra_it_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "florilegium.server.passwords", raising=False)
    monkeypatch.setitem(sys.modules, "argon2", None)

    result = add(file, "anna")

    assert result.exit_code == 2
    assert "florilegium[server]" in result.stderr
