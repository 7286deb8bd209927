"""Real processes of the exporter, killed again and again while a simulated node is busy and everything goes wrong."""
