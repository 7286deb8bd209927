"""Recording rules and alerts for Prometheus, generated from one file of values with a profile for each kind of node."""
