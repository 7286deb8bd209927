"""How long a test waits for an expected event: long enough for a busy machine."""

PATIENCE_S = 120.0
"""Seconds. A passing test never waits this long; a failing test names the missing event."""
