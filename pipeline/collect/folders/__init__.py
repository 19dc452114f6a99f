"""The operator's own documents: Markdown, HTML and plain text out of a folder."""
