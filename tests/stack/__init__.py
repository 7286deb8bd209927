"""The whole stack without Docker: simulated node, exporter, Prometheus, Alertmanager, and Grafana if installed."""
