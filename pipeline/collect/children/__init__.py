"""What is read of a source in a child process, and the processes for it."""
