"""Tests of the simulator: it must send what was recorded from a real lnd."""
