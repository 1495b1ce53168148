"""Reading FHIR: the small structs of resources, and the meaning of each prefetch value."""
