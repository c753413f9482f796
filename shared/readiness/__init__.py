"""Readiness: what would happen to drivers at an installation if ZapCloud asked us about them now, and why."""
