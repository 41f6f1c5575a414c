"""What BasicSR's model classes lack: mixins, and `build`, which builds every model from a subclass that has them.

No class is changed. A BasicSR model that you build yourself stays as it is.
"""
