"""Days of a node's life in seconds: which alerts fire in which incident, and that no other does."""
