"""Tests of the commands that print or write what the program brings along."""
