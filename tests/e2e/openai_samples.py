"""What a server of the tiny library answers to OpenAI's clients."""

from __future__ import annotations

QUESTION = "How many sides has a red square?"
ANSWER = "A red square has four equal sides. [1]"
SOURCES = "\n\n---\n[1] `red square.txt` red square"
