"""The hearing: what lnd sends, and what it refuses."""
