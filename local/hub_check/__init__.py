"""The diagnosis of pull mode from a laptop, with the app's settings."""
