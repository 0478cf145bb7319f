"""What steering is made of: sentences, vectors, weights, and the effects its rows come to."""
