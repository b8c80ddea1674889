"""The running system: calls, recordings, keys, ledger, jobs."""
