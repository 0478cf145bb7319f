"""Traces in which a later sentence is told beforehand, to train on."""
