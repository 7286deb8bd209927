"""The understanding, tried without any lnd."""
