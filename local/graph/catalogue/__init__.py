"""What Graph has: its resources with what may be subscribed to, as data."""
