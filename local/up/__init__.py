"""Everything as in the demo, kept running for a person to play with."""
