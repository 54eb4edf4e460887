"""Who is who: the authority that signs tokens, Entra's endpoints, and the callers of Graph."""
