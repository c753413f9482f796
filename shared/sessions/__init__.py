"""The life of a charge session: authorized by a claim, ended by a report, held in the ledger as facts."""
