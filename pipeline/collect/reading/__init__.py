"""A feed's bytes to what it holds: XML in all its states, and JSON."""
