"""A real Lightning network on one machine: built, started, driven and stopped by the tests."""
