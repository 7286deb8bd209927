"""The HTTP server: listeners, pages, and who may read them."""
