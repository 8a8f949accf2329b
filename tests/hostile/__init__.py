"""Hostile and broken files: a generator of many kinds of them, and what ingest must do with each."""
