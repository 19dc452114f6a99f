"""Pictures of articles: fetched once, made small and our own, before a digest is frozen."""
