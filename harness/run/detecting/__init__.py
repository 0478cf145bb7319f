"""What becomes of the detectors of a job: their costs, their faults."""
