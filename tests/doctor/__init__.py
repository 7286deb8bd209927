"""Tests of the command `check --connect`."""
