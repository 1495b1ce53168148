"""The JSON Schema of the file of trusted clients."""
