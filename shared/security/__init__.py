"""Who calls us, and how they prove it."""
