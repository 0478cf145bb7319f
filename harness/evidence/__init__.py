"""From what detectors want to what was found, trace by trace."""
