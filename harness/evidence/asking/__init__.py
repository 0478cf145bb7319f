"""What is asked of a model's insides, and of other models."""
