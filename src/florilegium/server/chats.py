"""The chats of each user in one SQLite file: questions, their pictures, and the answers as JSON.

Knows neither pages nor chat models; a user is what `User.owner` says, a library what
`Served.identity` says. A chat of another user or about another library is not found.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from florilegium.errors import InvalidQueryError, NotFoundError, StoreError
from florilegium.serialize import Json
from florilegium.sqlite_file import explain, open_sqlite

logger = logging.getLogger(__name__)

SCHEMA: Final = 2

MAX_EXCHANGES: Final = 200
"""Questions that a chat may hold."""

_TITLE_CHARACTERS = 200
_NO_ORDINAL = 2**62
_FIRST = (
    """CREATE TABLE chats (id TEXT PRIMARY KEY, user TEXT NOT NULL, library TEXT NOT NULL,
    title TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL) STRICT""",
    "CREATE INDEX chats_of_user ON chats (user, library, updated)",
    """CREATE TABLE exchanges (chat TEXT NOT NULL REFERENCES chats ON DELETE CASCADE,
    ordinal INTEGER NOT NULL, question TEXT NOT NULL, reply TEXT NOT NULL, picture BLOB,
    picture_hash TEXT, PRIMARY KEY (chat, ordinal)) STRICT, WITHOUT ROWID""",
)
_SECOND = (  # before, libraries of one name shared their chats
    "ALTER TABLE chats ADD COLUMN name TEXT",  # until the library of this name takes the chat
    "UPDATE chats SET name=library, library=''",
)
_STEPS: Final = (_FIRST, _SECOND)  # each leads to the next schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A chat of a user about a library; `created` and `updated` are seconds since 1970."""

    id: str
    library: str
    title: str
    created: float
    updated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A question with its picture as JPEG, and the reply as the page shows it.

    `ordinal` is its place in its chat, from 1; 0 for one that was not kept.
    """

    question: str
    reply: Json
    picture: bytes | None = None
    picture_hash: str | None = None
    ordinal: int = field(default=0, compare=False)


class Chats:
    """Keeps chats. Any thread may use it.

    Args:
        file: The database; it is made where it is absent, for its owner's eyes only.
        max_chats: Chats kept for each user; the ones unused for longest go first.
    """

    def __init__(self, file: Path, *, max_chats: int) -> None:
        self._file = file
        self._max_chats = max_chats
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file before anything else is done.

        Raises:
            StoreError: The file cannot be used, or a later version wrote it.
        """
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
            self._opened = open_sqlite(self._file).connection
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error
        try:
            self._prepare()
        except StoreError:
            self.close()
            raise

    def adopt(self, identities: Mapping[str, str]) -> None:
        """Give libraries the chats that an earlier version kept under their names.

        Args:
            identities: What stands for each library now, by its name.
        """
        with self._change() as connection:
            connection.executemany(
                "UPDATE chats SET library=?, name=NULL WHERE name=?",
                [(identity, name) for name, identity in identities.items()],
            )

    def all_of(self, user: str, library: str) -> list[Chat]:
        """Return the chats of a user about a library, the one used last first."""
        sql = (
            "SELECT id, library, title, created, updated FROM chats"
            " WHERE user=? AND library=? ORDER BY updated DESC, id"
        )
        return [_chat(row) for row in self._rows(sql, (user, library))]

    def find(self, user: str, library: str, id_: str) -> Chat:
        """Return one chat of a user about a library. Raises NotFoundError."""
        sql = (
            "SELECT id, library, title, created, updated FROM chats"
            " WHERE id=? AND user=? AND library=?"
        )
        rows = self._rows(sql, (id_, user, library))
        if not rows:
            raise NotFoundError(
                "There is no such chat.", hint="It may have been deleted; begin a new one."
            )
        return _chat(rows[0])

    def exchanges(
        self,
        user: str,
        library: str,
        id_: str,
        *,
        before: int | None = None,
        most: int = MAX_EXCHANGES,
        pictures: bool = True,
    ) -> list[Exchange]:
        """Return what was asked and answered in a chat, oldest first. Raises NotFoundError.

        Args:
            user: Whose chat it is.
            library: What it is about.
            id_: The chat.
            before: Only what comes before this ordinal.
            most: How many at most; the newest of them.
            pictures: Whether their pictures are read too.
        """
        self.find(user, library, id_)
        sql = (
            "SELECT question, reply, CASE WHEN ? THEN picture END, picture_hash, ordinal"
            " FROM exchanges WHERE chat=? AND ordinal<? ORDER BY ordinal DESC LIMIT ?"
        )
        upper = before if before is not None else _NO_ORDINAL
        rows = self._rows(sql, (pictures, id_, upper, most))
        return [_exchange(row) for row in reversed(rows)]

    def newest_picture(self, user: str, library: str, id_: str) -> Exchange | None:
        """Return the newest exchange with a picture and a whole answer. Raises NotFoundError."""
        self.find(user, library, id_)
        sql = (
            "SELECT question, reply, picture, picture_hash, ordinal FROM exchanges"
            " WHERE chat=? AND picture IS NOT NULL AND json_extract(reply, '$.error') IS NULL"
            " AND NOT coalesce(json_extract(reply, '$.stopped'), 0) ORDER BY ordinal DESC LIMIT 1"
        )
        rows = self._rows(sql, (id_,))
        return _exchange(rows[0]) if rows else None

    def begin(self, user: str, library: str, *, title: str) -> Chat:
        """Make a chat; chats over the limit of this user go."""
        now = time.time()
        chat = Chat(
            id=secrets.token_urlsafe(12),
            library=library,
            title=_short(title),
            created=now,
            updated=now,
        )
        with self._change() as connection:
            connection.execute(
                "INSERT INTO chats (id, user, library, title, created, updated)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (chat.id, user, library, chat.title, now, now),
            )
            # The new one stays, whatever the clock says.
            connection.execute(
                "DELETE FROM chats WHERE user=? AND id<>? AND id NOT IN (SELECT id FROM chats"
                " WHERE user=? AND id<>? ORDER BY updated DESC LIMIT ?)",
                (user, chat.id, user, chat.id, self._max_chats - 1),
            )
        return chat

    def add(self, user: str, library: str, id_: str, exchange: Exchange) -> int:
        """Put a question and its reply at the end of a chat, and return its ordinal.

        Raises:
            NotFoundError: There is no such chat.
            InvalidQueryError: The chat is full.
        """
        self.find(user, library, id_)
        reply = json.dumps(exchange.reply, ensure_ascii=False, separators=(",", ":"))
        with self._change() as connection:
            newest = "SELECT coalesce(max(ordinal), 0) FROM exchanges WHERE chat=?"
            ordinal = int(connection.execute(newest, (id_,)).fetchone()[0]) + 1
            if ordinal > MAX_EXCHANGES:
                raise InvalidQueryError(
                    f"The chat holds {MAX_EXCHANGES} questions, which is the most.",
                    hint="Begin a new chat.",
                )
            connection.execute(
                "INSERT INTO exchanges (chat, ordinal, question, reply, picture, picture_hash)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (id_, ordinal, exchange.question, reply, exchange.picture, exchange.picture_hash),
            )
            connection.execute("UPDATE chats SET updated=? WHERE id=?", (time.time(), id_))
        return ordinal

    def rename(self, user: str, library: str, id_: str, title: str) -> None:
        """Give a chat another title. Raises NotFoundError."""
        self.find(user, library, id_)
        with self._change() as connection:
            connection.execute("UPDATE chats SET title=? WHERE id=?", (_short(title), id_))

    def delete(self, user: str, library: str, id_: str) -> None:
        """Remove a chat with all that was said in it from the disk. Raises NotFoundError."""
        self.find(user, library, id_)
        with self._change() as connection:
            connection.execute("DELETE FROM chats WHERE id=?", (id_,))
        # Until then the write-ahead log still holds the pages as they were.
        self._run(lambda: self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    def close(self) -> None:
        """Close the file; it can be opened again."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            raise StoreError("The chats are not open.", hint="The server is stopping; try again.")
        return self._opened

    def _prepare(self) -> None:
        def prepare() -> None:
            self._connection.execute("PRAGMA foreign_keys=ON")
            self._connection.execute("PRAGMA secure_delete=ON")
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")  # of two servers, one does it
                version = self._connection.execute("PRAGMA user_version").fetchone()[0]
                if version > SCHEMA:
                    raise StoreError(
                        f"The chats in {self._file.name!r} have the schema {version}, which is "
                        f"newer than {SCHEMA}, the one that this version knows.",
                        hint="Use the version of Florilegium that wrote them.",
                    )
                for step in _STEPS[version:]:
                    for sql in step:
                        self._connection.execute(sql)
                self._connection.execute(f"PRAGMA user_version={SCHEMA}")

        self._run(prepare)

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:  # rows of SQLite
        rows: list[Any] = []
        self._run(lambda: rows.extend(self._connection.execute(sql, values).fetchall()))
        return rows

    def _run(self, what: Callable[[], object]) -> None:
        with self._lock:
            try:
                what()
            except sqlite3.Error as error:
                raise self._failed(error) from error

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                with self._connection:
                    yield self._connection
            except sqlite3.Error as error:
                raise self._failed(error) from error

    def _failed(self, error: OSError | sqlite3.Error) -> StoreError:
        """Return an error that a user of the page may be shown; the log says where the file is."""
        why = explain(error) if isinstance(error, sqlite3.Error) else error.strerror
        logger.error("The chats in %r cannot be used: %s", str(self._file), why)
        return StoreError(
            f"The chats in {self._file.name!r} cannot be used: {why}.",
            hint="See that server.folder can be written to and has room.",
        )


def _chat(row: Sequence[Any]) -> Chat:
    return Chat(id=row[0], library=row[1], title=row[2], created=row[3], updated=row[4])


def _exchange(row: Sequence[Any]) -> Exchange:
    return Exchange(
        question=row[0],
        reply=json.loads(row[1]),
        picture=row[2],
        picture_hash=row[3],
        ordinal=row[4],
    )


def _short(title: str) -> str:
    flat = " ".join(title.split())
    return flat if len(flat) <= _TITLE_CHARACTERS else flat[: _TITLE_CHARACTERS - 1] + "…"
