"""Builders and helpers shared by the tests: FHIR resources, hook calls, card checks."""
