"""What every intervention goes through: gathered for, fitted, rows and effects kept."""
