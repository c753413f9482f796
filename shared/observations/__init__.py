"""Charger states: from a batch of messages to what is stored, shown and noticed."""
