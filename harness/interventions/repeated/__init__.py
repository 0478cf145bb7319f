"""What is drawn again with the same seeds, and how alike both are."""
