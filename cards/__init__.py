"""From a decision to CDS Hooks cards: wording, suggestions, override reasons, the reason."""
