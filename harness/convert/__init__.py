"""Traces and scores made elsewhere as runs, and runs as tables for other tools."""
