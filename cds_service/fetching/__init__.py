"""Fetching missing data from FHIR servers: searches, connections, pages, failures."""
