"""Tests of `exporter.why`."""
