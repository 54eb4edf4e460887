"""How things look as Graph's JSON, one module for each workload. Values only."""
