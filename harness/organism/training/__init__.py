"""How the organism was trained, from nothing."""
