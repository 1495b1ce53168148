"""Hook calls: what is offered, whether a call is well formed, and how it is answered."""
