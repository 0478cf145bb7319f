"""Worlds: the organism's program with another truth, a file each."""
