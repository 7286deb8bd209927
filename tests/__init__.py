"""Tests: they mirror exporter/; tests/network is a real lnd network."""
