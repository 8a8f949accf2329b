"""A server with the web page, for the browser tests: a process of its own with a small library.

Its chat model does what the question says: "slowly" makes it cite and then speak slowly, "hostile"
makes it say what would harm a careless page, and "fail" makes it fail.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from starlette.requests import HTTPConnection
from starlette.types import Scope

import florilegium.testing.chat_model as fake
from florilegium import Library
from florilegium.config import ChatConfig
from florilegium.config_sections import ServerConfig
from florilegium.errors import ChatRejectedError
from florilegium.protocols import Encoder
from florilegium.server import app as server_app
from florilegium.server.authentication import Authentication
from florilegium.server.running import run
from florilegium.server.users import User
from florilegium.types import (
    ChatModelInfo,
    ChatOptions,
    Delta,
    Message,
    SourcePart,
    TextPart,
)

HOSTILE = (
    "Hostile: [x](javascript:alert(1)) <img src=x onerror=alert(1)> ![p](http://evil.example/p.png)"
    " <script>alert(1)</script> {{constructor.constructor('alert(1)')()}} [1]"
)
_WORDS = 2000  # of a slow answer: some five minutes
_PAUSE = 0.15
_STOP = 4.0  # seconds that answers get at the end


class ObedientChatModel:
    """Does what the question says, and notes in a file when it speaks and when it is stopped."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self.info = ChatModelInfo(
            id="obedient", max_images=4, context_tokens=None, generative=False
        )

    def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Iterator[Delta]:
        parts = messages[-1].parts
        question = " ".join(part.text for part in parts if isinstance(part, TextPart))
        sources = [part for part in parts if isinstance(part, SourcePart)]
        return self._speak(question, sources)

    def close(self) -> None:
        pass

    def _speak(self, question: str, sources: Sequence[SourcePart]) -> Iterator[Delta]:
        self._note("begun")
        try:
            if "fail" in question:
                raise ChatRejectedError("The provider refused.", hint="Ask for something else.")
            if "slowly" in question:
                yield Delta(text=f"So says **{sources[0].title}** [1]: ")
                for number in range(_WORDS):
                    time.sleep(_PAUSE)
                    yield Delta(text=f"word{number} ")
            elif "hostile" in question:
                yield Delta(text=HOSTILE)
            else:
                yield Delta(text=f"**{sources[0].title}** is the best source [1].")
            yield Delta(text="", finish_reason="stop")
            self._note("finished")
        finally:
            self._note("ended")

    def _note(self, what: str) -> None:
        with self._notes.open("a", encoding="utf-8") as file:
            file.write(f"{what}\n")


def by_cookie(_: Authentication, scope: Scope) -> User:
    """Let a test say who asks."""
    name = HTTPConnection(scope).cookies.get("test_user", "anna")
    seen = None if name == "collector" else frozenset({"tiny"})
    return User(name=name, may_write=name != "reader", libraries=seen)


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=Path)
    parser.add_argument("folder", type=Path, help="for chats and notes")
    parser.add_argument("port", type=int)
    parser.add_argument("--users", default="", help="file of accounts; else a cookie says who asks")
    chosen = parser.parse_args()
    if not chosen.users:
        Authentication.user = by_cookie  # type: ignore[assignment,method-assign]  # for tests
    model = ObedientChatModel(chosen.folder / "notes.txt")

    def open_chat_model(
        name: str, *, config: ChatConfig, texts: Encoder | None, cache_folder: Path
    ) -> ObedientChatModel:
        return model

    fake.open_chat_model = open_chat_model  # type: ignore[assignment]  # another class
    with Library.open(chosen.library, overrides={"chat.name": "fake"}) as library:
        config = ServerConfig(
            uploads=True,
            folder=str(chosen.folder),
            max_body_megabytes=4,
            users_file=chosen.users,
            port=chosen.port,
            stop_seconds=_STOP,
        )
        logging.basicConfig()
        libraries = {"tiny": library} if chosen.users else {"tiny": library, "other": library}
        app = server_app.create_app(libraries, config=config)
        run(app, config=config, tell=print, drain=app.state.service.drain)


if __name__ == "__main__":
    main()
