"""The command line: what an operator types, and what they read. Each command opens the app, asks and tells."""
