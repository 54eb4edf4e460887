"""`/subscriptions`: rules, quotas, handshakes, and the subscriptions that exist."""
