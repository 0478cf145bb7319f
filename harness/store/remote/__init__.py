"""Runs that lie elsewhere: on an object store, on the hub."""
