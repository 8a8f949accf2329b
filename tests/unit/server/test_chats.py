"""Chats are kept, each user's own, as many as are allowed, and gone once they are deleted."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from florilegium.errors import InvalidQueryError, NotFoundError, StoreError
from florilegium.serialize import Json
from florilegium.server.chats import SCHEMA, Chats, Exchange


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "server" / "chats.sqlite"


@pytest.fixture
def chats(file: Path) -> Iterator[Chats]:
    chats = Chats(file, max_chats=3)
    chats.open()
    yield chats
    chats.close()


def said(question: str, picture: bytes | None = None) -> Exchange:
    return Exchange(question=question, reply={"answer": f"to {question}"}, picture=picture)


def test_what_was_said_is_there_again_in_its_order(chats: Chats, file: Path) -> None:
    chat = chats.begin("anna", "flowers", title="Roses")
    chats.add("anna", "flowers", chat.id, said("first", picture=b"jpeg"))
    chats.add("anna", "flowers", chat.id, said("second"))
    chats.close()

    chats.open()

    assert [one.title for one in chats.all_of("anna", "flowers")] == ["Roses"]
    assert chats.exchanges("anna", "flowers", chat.id) == [
        said("first", picture=b"jpeg"),
        said("second"),
    ]


def test_the_chat_used_last_comes_first_and_each_library_has_its_own(chats: Chats) -> None:
    first = chats.begin("anna", "flowers", title="first")
    second = chats.begin("anna", "flowers", title="second")
    chats.begin("anna", "stamps", title="other")
    chats.add("anna", "flowers", first.id, said("again"))

    assert [one.id for one in chats.all_of("anna", "flowers")] == [first.id, second.id]


def test_a_chat_of_another_user_is_not_found(chats: Chats) -> None:
    chat = chats.begin("anna", "flowers", title="Roses")

    for act in (
        lambda: chats.find("berta", "flowers", chat.id),
        lambda: chats.exchanges("berta", "flowers", chat.id),
        lambda: chats.add("berta", "flowers", chat.id, said("mine")),
        lambda: chats.rename("berta", "flowers", chat.id, "mine"),
        lambda: chats.delete("berta", "flowers", chat.id),
    ):
        with pytest.raises(NotFoundError):
            act()
    assert chats.all_of("berta", "flowers") == []
    assert chats.find("anna", "flowers", chat.id).title == "Roses"


def test_a_chat_of_another_library_is_not_found(chats: Chats) -> None:
    chat = chats.begin("anna", "flowers", title="Roses")

    for act in (
        lambda: chats.find("anna", "stamps", chat.id),
        lambda: chats.exchanges("anna", "stamps", chat.id),
        lambda: chats.add("anna", "stamps", chat.id, said("mine")),
        lambda: chats.rename("anna", "stamps", chat.id, "mine"),
        lambda: chats.delete("anna", "stamps", chat.id),
    ):
        with pytest.raises(NotFoundError):
            act()
    assert chats.exchanges("anna", "flowers", chat.id) == []
    assert chats.find("anna", "flowers", chat.id).title == "Roses"


def test_the_chats_unused_for_longest_go_first(chats: Chats) -> None:
    old, *_ = [chats.begin("anna", "flowers", title=str(number)) for number in range(3)]
    chats.begin("berta", "flowers", title="hers")

    new = chats.begin("anna", "flowers", title="new")

    left = {one.title for one in chats.all_of("anna", "flowers")}
    assert left == {"1", "2", "new"}
    assert new.id != old.id
    assert len(chats.all_of("berta", "flowers")) == 1


def test_a_title_is_flat_and_not_too_long(chats: Chats) -> None:
    chat = chats.begin("anna", "flowers", title="a\n b " + "c" * 500)
    chats.rename("anna", "flowers", chat.id, "x\ty")

    assert chat.title.startswith("a b c")
    assert len(chat.title) == 200
    assert chats.find("anna", "flowers", chat.id).title == "x y"


def test_what_is_deleted_is_not_on_the_disk_any_more(chats: Chats, file: Path) -> None:
    chat = chats.begin("anna", "flowers", title="a secret title")
    chats.add("anna", "flowers", chat.id, said("a secret question", picture=b"a secret picture"))

    chats.delete("anna", "flowers", chat.id)

    left = b"".join(one.read_bytes() for one in file.parent.iterdir())
    assert b"secret" not in left
    with pytest.raises(NotFoundError):
        chats.find("anna", "flowers", chat.id)


def test_the_newest_come_first_and_earlier_ones_when_asked_for(chats: Chats) -> None:
    chat = chats.begin("anna", "flowers", title="Roses")
    for number in range(5):
        chats.add("anna", "flowers", chat.id, said(str(number), picture=b"jpeg"))

    newest = chats.exchanges("anna", "flowers", chat.id, most=2)
    before = newest[0].ordinal
    earlier = chats.exchanges("anna", "flowers", chat.id, before=before, most=2, pictures=False)

    assert [one.question for one in newest] == ["3", "4"]
    assert [one.question for one in earlier] == ["1", "2"]
    assert [one.picture for one in newest + earlier] == [b"jpeg", b"jpeg", None, None]


def test_the_newest_picture_is_that_of_a_whole_answer(chats: Chats) -> None:
    chat = chats.begin("anna", "flowers", title="Roses")
    assert chats.newest_picture("anna", "flowers", chat.id) is None
    whole = said("whole", picture=b"jpeg")
    chats.add("anna", "flowers", chat.id, whole)
    stopped: Json = {"stopped": True, "error": None}
    failed: Json = {"stopped": False, "error": {"code": "x"}}
    for reply in (stopped, failed):
        exchange = Exchange(question="not", reply=reply, picture=b"other")
        chats.add("anna", "flowers", chat.id, exchange)
    chats.add("anna", "flowers", chat.id, said("without"))

    assert chats.newest_picture("anna", "flowers", chat.id) == whole


def test_a_full_chat_takes_no_more(chats: Chats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("florilegium.server.chats.MAX_EXCHANGES", 2)
    chat = chats.begin("anna", "flowers", title="Roses")
    ordinals = [chats.add("anna", "flowers", chat.id, said("x")) for _ in range(2)]

    with pytest.raises(InvalidQueryError, match="holds 2 questions"):
        chats.add("anna", "flowers", chat.id, said("one more"))

    assert ordinals == [1, 2]
    assert len(chats.exchanges("anna", "flowers", chat.id)) == 2


def test_only_the_owner_of_the_file_may_read_it(chats: Chats, file: Path) -> None:
    assert file.stat().st_mode & 0o077 == 0


def test_many_threads_may_use_it_at_once(file: Path) -> None:
    chats = Chats(file, max_chats=100)
    chats.open()
    chat = chats.begin("anna", "flowers", title="Roses")

    threads = [
        threading.Thread(target=lambda: chats.add("anna", "flowers", chat.id, said("x")))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(chats.exchanges("anna", "flowers", chat.id)) == 20
    chats.close()


def test_a_file_of_a_later_version_is_left_alone(chats: Chats, file: Path) -> None:
    chats.close()
    with sqlite3.connect(file) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA + 1}")
    connection.close()

    with pytest.raises(StoreError, match="newer"):
        chats.open()


def write_schema_1(file: Path) -> None:
    """Write chats as the first version kept them, under the names of libraries."""
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file)
    connection.executescript("""
        CREATE TABLE chats (id TEXT PRIMARY KEY, user TEXT NOT NULL, library TEXT NOT NULL,
        title TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL) STRICT;
        CREATE INDEX chats_of_user ON chats (user, library, updated);
        CREATE TABLE exchanges (chat TEXT NOT NULL REFERENCES chats ON DELETE CASCADE,
        ordinal INTEGER NOT NULL, question TEXT NOT NULL, reply TEXT NOT NULL, picture BLOB,
        picture_hash TEXT, PRIMARY KEY (chat, ordinal)) STRICT, WITHOUT ROWID;
        INSERT INTO chats VALUES ('c1', 'anna', 'flowers', 'Roses', 1, 2),
        ('c2', 'anna', 'stamps', 'Kings', 1, 2);
        INSERT INTO exchanges VALUES ('c1', 1, 'first', '{"answer":"to first"}', x'6a', 'hash');
        PRAGMA user_version=1;
    """)
    connection.close()


def test_chats_of_an_earlier_version_go_to_the_first_library_of_their_name(file: Path) -> None:
    write_schema_1(file)
    chats = Chats(file, max_chats=9)
    chats.open()
    assert chats.all_of("anna", "flowers") == []

    chats.adopt({"flowers": "id 1"})
    chats.adopt({"flowers": "id 2"})
    chats.close()
    chats.open()

    assert [one.title for one in chats.all_of("anna", "id 1")] == ["Roses"]
    [exchange] = chats.exchanges("anna", "id 1", "c1")
    assert (exchange.question, exchange.reply) == ("first", {"answer": "to first"})
    assert (exchange.picture, exchange.picture_hash) == (b"j", "hash")
    assert chats.all_of("anna", "id 2") == []
    chats.adopt({"stamps": "id 3"})  # which nobody served till now
    assert [one.title for one in chats.all_of("anna", "id 3")] == ["Kings"]
    chats.close()


def test_new_chats_stay_where_they_are_whatever_a_library_is_called(chats: Chats) -> None:
    chats.begin("anna", "id 1", title="Roses")

    chats.adopt({"id 1": "id 2", "": "id 3"})

    assert [one.title for one in chats.all_of("anna", "id 1")] == ["Roses"]


def test_two_servers_may_open_an_old_file_at_once(file: Path) -> None:
    write_schema_1(file)
    failed: list[StoreError] = []

    def open_it() -> None:
        chats = Chats(file, max_chats=9)
        try:
            chats.open()
            chats.adopt({"flowers": "id 1"})
        except StoreError as error:
            failed.append(error)
        chats.close()

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    chats = Chats(file, max_chats=9)
    chats.open()
    assert len(chats.all_of("anna", "id 1")) == 1
    chats.close()


def test_a_damaged_file_is_named_and_its_place_stands_in_the_log(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    file.write_bytes(b"no database" * 1000)

    with pytest.raises(StoreError, match=r"chats\.sqlite") as raised:
        Chats(file, max_chats=1).open()

    assert str(file) not in f"{raised.value.message}{raised.value.hint}"
    assert str(file) in caplog.text


def test_chats_that_are_not_open_say_so(file: Path) -> None:
    with pytest.raises(StoreError, match="not open"):
        Chats(file, max_chats=1).all_of("anna", "flowers")
