"""What samples: one interface, one package an engine."""
