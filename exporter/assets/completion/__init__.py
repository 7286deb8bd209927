"""Completion of the command line for bash, zsh and fish, made from the tables of commands and settings."""
