"""Interventions: what tests a claim about sentences instead of ranking them; one file each."""
