"""The app under Microsoft's own worker library, on Python 3.13: an environment for it, and a process that invokes it."""
