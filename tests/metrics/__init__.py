"""The telling: what a page says, in which words and formats."""
