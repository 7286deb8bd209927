"""Tests of `exporter.lnd`: what lnd sends, and how it fails."""
