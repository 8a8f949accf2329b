"""Ingest is killed, starved and disturbed; the next run must end where an undisturbed one would."""
