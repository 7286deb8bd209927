"""The exposition: pages, formats, the HTTP server, and the reference in docs/metrics.md."""
