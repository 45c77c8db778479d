"""JSON that comes from strangers: decoded within limits."""
