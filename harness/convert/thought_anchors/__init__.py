"""The published data of Thought Anchors."""
