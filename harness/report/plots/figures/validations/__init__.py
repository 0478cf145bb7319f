"""The figures of validations, one a file."""
