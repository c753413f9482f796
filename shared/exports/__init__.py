"""The session log as files that spreadsheets open."""
