"""What comes back: bounces, complaints, requests to leave. Reading is pure; mailboxes are the edges."""
