"""The dashboards: complete, laid out without overlaps, and every panel has data."""
