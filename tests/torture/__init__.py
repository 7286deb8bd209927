"""Torture: exporter processes that are killed again and again while a simulated node makes payments and has faults."""
