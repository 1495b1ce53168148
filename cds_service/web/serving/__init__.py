"""Around the application: reading bodies under load, the operators' port, addresses, signs of life."""
