"""What benchmark servers take, made by a trained model."""
