"""All on one machine, without Docker: simulated node, exporter, Prometheus, Alertmanager, Grafana if it is there."""
