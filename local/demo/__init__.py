"""The whole pipeline on one machine: real storage, the app in its host, a simulated Microsoft 365, and a reckoning."""
