"""`strength='auto'`: how much noise an image has, and what of it a network removed that was none."""
