"""A small Microsoft 365: what there is, what people do, and the log of every change."""
