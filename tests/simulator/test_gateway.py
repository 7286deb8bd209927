"""The simulator's REST: the same answers as a real lnd's, of which each of these tests asks both."""
