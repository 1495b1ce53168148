"""Reading FHIR: the lean wire form of resources, and what each prefetch value means."""
