"""Texts that continue a trace: what is read of each, together with others."""
