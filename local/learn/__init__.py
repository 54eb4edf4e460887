"""docs/learn.md as a program: every call on the page made for real, each answer held against what the page shows."""
