"""What stands in front of every Graph call: versions, the envelope of errors, request limits, and batches."""
