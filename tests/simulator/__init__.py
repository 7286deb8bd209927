"""Tests of the stand-in lnd: it must say what a real one was seen to say."""
