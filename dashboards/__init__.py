"""Grafana dashboards: the Python that generates them, and the JSON that is imported."""
