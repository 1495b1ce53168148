"""Clinical scenarios: patients and orders in words, and what the service must answer."""
