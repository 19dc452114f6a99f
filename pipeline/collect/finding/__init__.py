"""What an address gives: feeds that a page names, articles that it lists, sitemaps; and what of it is wanted."""
