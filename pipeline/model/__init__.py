"""What the pipeline talks about: frozen values and pure decisions, standard library only."""
