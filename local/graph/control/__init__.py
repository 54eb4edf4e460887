"""The simulator's own controls: an API under `/_sim/` and a page to look at."""
