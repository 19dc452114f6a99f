"""Untrusted bytes are read in processes of their own."""
