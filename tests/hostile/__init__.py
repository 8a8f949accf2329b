"""Hostile and broken files of many kinds, and what ingest must do with each."""
