"""What deletion takes out of a trace, and what that does to the answer."""
