"""The shipped rules match the values, and Prometheus and Alertmanager accept the configuration."""
