"""What single families of models need, and how it is found out whether one is computed right."""
