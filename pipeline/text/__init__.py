"""What comes in as text leaves as text that nothing downstream can trip over. Pure: no file, no socket."""
