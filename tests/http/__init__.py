"""The protocol: CDS Hooks over HTTP, as the checklist and the contract have it."""
