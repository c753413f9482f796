"""Table Storage: one repository per table, all behind a guard that enforces Azure's limits."""
