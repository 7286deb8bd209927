"""The command `open`: report, table and JSON document."""
