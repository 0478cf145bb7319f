"""The published rollouts of Thought Anchors: uzaymacar/math-rollouts."""
