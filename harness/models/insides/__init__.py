"""What goes on inside a model during one pass: how far it looks, when it settles, what it needs."""
