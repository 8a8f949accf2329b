"""What keeps a library well: its checks and its numbers. The class Library is built on it."""

from __future__ import annotations

from pathlib import Path

from florilegium.checks import Check, attempt, check_reranker, try_chat_model, try_encoder
from florilegium.config import INDEX_FOLDER, Settings
from florilegium.gate_file import read_gate
from florilegium.parts import Parts, Statistics
from florilegium.thresholds import Threshold, choose_threshold


class Upkeep:
    """The opened parts of a library, and what is asked of them besides searching."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.settings = settings
        self._parts = Parts(root, settings.config)

    def threshold(self) -> Threshold:
        """Return below which confidence questions are refused, and what to expect of that.

        Raises:
            StoreError: What was measured for this library is damaged.
        """
        return choose_threshold(
            self.settings.config.chat.min_confidence,
            is_set="chat.min_confidence" in self.settings.origins,
            measured=read_gate(self.root / INDEX_FOLDER),
            encoders={one.name: one.fingerprint for one in self._parts.manifest().spaces},
        )

    def statistics(self) -> Statistics:
        """Return how much is in the index. Raises IndexNotFoundError when there is none."""
        return self._parts.statistics()

    def check(self) -> list[Check]:
        """Look at each part that this library needs and return what was found."""
        parts, config = self._parts, self.settings.config
        room = config.chat.max_tokens
        return [
            Check(name="settings", ok=True, message=f"profile {config.profile}"),
            attempt("text encoder", lambda: try_encoder(parts.text_encoder())),
            attempt("image-text encoder", lambda: try_encoder(parts.encoder())),
            attempt("index", parts.describe_index),
            attempt("chat model", lambda: try_chat_model(parts.chat_model(), max_tokens=room)),
            *check_reranker(parts.reranker),
        ]
