"""What is in flight, as it is shown: read from disk, as a table, as JSON."""
