"""Incidents in virtual time: which alerts fire in each of them, and that no other does."""
