"""What BasicSR and torchvision lack."""
