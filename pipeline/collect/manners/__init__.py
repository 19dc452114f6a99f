"""How a source is asked: when, where, how often, and when not at all."""
