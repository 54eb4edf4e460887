"""From a change to the receiver: notifications, encryption, attempts, and what the endpoint's answers do to it."""
