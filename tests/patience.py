"""The timeout of waits in tests, long enough for a busy machine."""

PATIENCE_S = 120.0
"""Seconds. A test that passes never waits that long; one that fails names the event that it waited for."""
