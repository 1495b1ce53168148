"""What those who run the service see: log, figures, records of calls, health."""
