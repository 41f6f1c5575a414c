"""Models for other programs: ONNX and weights alone."""
