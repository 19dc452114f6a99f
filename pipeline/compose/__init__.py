"""Articles into a frozen digest: window, choose, freeze. Hands over through rows."""
