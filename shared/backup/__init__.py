"""Backups of the tables in a blob container, and their way back into an empty account."""
