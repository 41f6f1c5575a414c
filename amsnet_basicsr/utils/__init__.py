"""What all rooms need."""
