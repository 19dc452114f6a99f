"""Untrusted bytes are read in processes of their own: the processes, whatever they read."""
