"""What a SAMS sandbox starts with."""
