"""Tests of `backfill`: the history of a node for Prometheus."""
