"""What is shipped for Prometheus and Alertmanager is what the values say, and is accepted by both."""
