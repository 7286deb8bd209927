"""The command `why`: explains what became of one payment."""
