"""Edge: everything that AWS is asked for."""
