"""Reading and changing the tenant's resources by Graph's paths."""
