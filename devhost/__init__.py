"""Runs an Azure Functions Python app where the `func` CLI is not installed; see README.md."""
