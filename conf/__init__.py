"""The values of every option, one folder a Hydra group."""
