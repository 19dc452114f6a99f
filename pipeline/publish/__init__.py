"""articles -> feeds/: select, build RSS and Atom, write only what changed."""
