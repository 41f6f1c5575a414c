"""`strength='auto'`: how much noise an image has, what a network removed that was none, and its brightness."""
