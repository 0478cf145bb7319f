"""What other schedules of rollouts would cost on a run that is there."""
