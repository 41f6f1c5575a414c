"""Stopping a training at any moment and going on as if nothing had happened.

Three ideas, a file or two each:

- `randomness`, `data_order`: what is random in an iteration depends on the seed and the iteration's number alone, what
  is random in a crop on the seed, the epoch and its place in it. So there is no state of a generator to keep, and
  neither the number of workers nor a validation in between changes anything.
- `saving`, `states`: a checkpoint appears whole or not at all, and the newest whole one is found.
- `training_run`: ties these to BasicSR's `train_pipeline`, and stops it between two iterations.
"""
