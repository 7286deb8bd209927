"""The commands about the past: `backfill` writes it for Prometheus, and `report` uses the same reader."""
