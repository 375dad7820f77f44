"""What a JDMA sandbox starts with."""
