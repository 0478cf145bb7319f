"""What steering is made of: vectors, and the effects that its rows come to."""
