"""What rules and dashboards cost a real Prometheus with weeks of history: `make rules-cost`."""
