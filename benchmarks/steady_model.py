"""A chat model behind a port that speaks a word every few milliseconds, as OpenAI servers stream.

It stands in for a real one where the server before it is measured, not the model. Counts how many
replies run, and how many ended because the reader went.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

WORDS = ("The", "sources", "say", "this", "about", "it", "[1],", "and", "more", "besides", "[2].")


class SteadyModel:
    """Replies of so many words, one every `pause` seconds."""

    def __init__(self, *, words: int, pause: float) -> None:
        self.running = 0
        self.left = 0
        self.words = words
        self._pause = pause
        self.app = FastAPI()
        self.app.post("/v1/chat/completions")(self._complete)
        self.app.get("/v1/models")(self._models)

    def wait_until_idle(self) -> None:
        """Return when no reply runs any more."""
        while self.running:
            time.sleep(0.02)

    async def _models(self) -> dict[str, Any]:
        return {"object": "list", "data": [{"id": "steady", "object": "model"}]}

    async def _complete(self, request: Request) -> Any:
        asked = await request.json()
        if asked.get("stream"):
            return StreamingResponse(self._stream(), media_type="text/event-stream")
        message = {"role": "assistant", "content": "yes"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {"id": "1", "object": "chat.completion", "choices": [choice]}

    async def _stream(self) -> AsyncIterator[str]:
        self.running += 1
        ended = False
        try:
            for number in range(self.words):
                await asyncio.sleep(self._pause)
                yield _chunk({"content": WORDS[number % len(WORDS)] + " "}, None)
            yield _chunk({}, "stop")
            ended = True  # a reader may go as soon as it has the last line
            yield "data: [DONE]\n\n"
        finally:
            self.running -= 1
            self.left += not ended


def _chunk(delta: dict[str, str], reason: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {"id": "1", "object": "chat.completion.chunk", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


@contextmanager
def served(model: SteadyModel) -> Iterator[str]:
    """Give the address of the model, which runs in a thread until the end of the block."""
    config = uvicorn.Config(model.app, host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        thread.join()
