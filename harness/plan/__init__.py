"""What a run takes, before it is made."""
