"""Things that can happen to a receiver, each in a file of its own that says why, does it, and tells what to look for."""
