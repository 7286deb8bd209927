"""Reloads: nodes come, go and change while the exporter runs, and nothing is counted twice or lost."""
