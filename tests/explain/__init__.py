"""Tests of what a sampled payment without a route is counted as."""
