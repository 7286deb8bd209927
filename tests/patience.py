"""How long a test waits for what must happen: long enough for a machine that is busy with other things."""

PATIENCE_S = 120.0
"""Seconds. A test that passes never waits so long; one that fails says what it waited for."""
