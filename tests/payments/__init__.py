"""Tests of the core, without lnd."""
