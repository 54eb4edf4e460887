"""The workshop: everything that lets the app run whole on one machine. Never deployed."""
