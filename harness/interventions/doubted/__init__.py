"""What the sceptic puts in the place of a trace, and what that does to the answer."""
