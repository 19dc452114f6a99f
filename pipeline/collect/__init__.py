"""Collect: sources in, articles out. The pure half parses, identifies and decides; `stage` fetches and stores."""
