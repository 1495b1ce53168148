"""Operation: log, metrics, records of calls, health."""
