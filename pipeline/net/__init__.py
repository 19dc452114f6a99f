"""The only door to the network: `guard` says where a request may go, `fetch` is the only HTTP client."""
