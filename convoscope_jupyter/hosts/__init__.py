"""The surfaces: each a thin view of a session."""
