"""Earshot's core: Graph's protocol and our decisions as values, and the adapters that touch the world."""
