"""The form of the file of trusted clients."""
