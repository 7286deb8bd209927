"""The exposition: pages, formats, and the reference in docs/metrics.md."""
