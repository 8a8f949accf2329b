"""The REST routes under /api: search, ask, items, ingest, and how the server is."""
