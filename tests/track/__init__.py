"""The command `track`."""
