"""A ZapCloud to talk to: its web hooks, its REST API and the chargers and drivers behind them (see README.md)."""
