"""Tests of the past: `backfill` and what it consists of."""
