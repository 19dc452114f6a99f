"""What providers report over the web: whether it is theirs, and what it says. All of it is pure."""
