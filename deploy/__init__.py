"""Configuration beside the exporter: rules and alerts for Prometheus, an example for Alertmanager."""
