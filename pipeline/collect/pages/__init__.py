"""Pages of articles: whether they may be read and kept, the article in them, and how it joins its draft."""
