"""Graph's change-notification protocol as values: reads and writes bytes, knows Graph's rules, does no I/O."""
