"""ZapCloud as its users meet it: what it sends to our web hooks, and its REST API."""
