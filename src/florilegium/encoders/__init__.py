"""Encoders: texts and pictures in, embeddings out."""

from __future__ import annotations

import os

# ONNX Runtime, since version 1.29 on all systems, writes an id of the machine into the user's
# cache folder and reports models and errors to its maker, unless this is set before its import.
# Here, so that no module of this package can come too early.
os.putenv("ORT_DISABLE_TELEMETRY", "1")
