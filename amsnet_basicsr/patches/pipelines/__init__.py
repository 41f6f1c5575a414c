"""What BasicSR's `train_pipeline` and `test_pipeline` call, replaced where they look it up: in their own modules.

Each pipeline is one function that takes nothing but a path, so there is no other place. They themselves stay what runs.
"""
