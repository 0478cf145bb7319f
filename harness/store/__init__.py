"""A run folder: files, leases, schemas, and what is recorded in them."""
