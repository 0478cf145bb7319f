"""All detectors at once, families of them, and correct traces against incorrect ones."""
