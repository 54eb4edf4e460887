"""Measures the promises of the design, each beside its target, and each as a ratio or a difference within one run."""
