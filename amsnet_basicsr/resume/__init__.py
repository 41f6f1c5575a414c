"""Stopping a training at any moment and resuming it as if nothing had happened.

- `data_order`: what is random in reading an image depends on the seed, the epoch and its place there alone, what is
  random in an iteration on the seed and its number. So there is no state of a generator to keep, and neither the number
  of workers nor a validation in between changes anything.
- `checkpoints`, `states`: a checkpoint appears whole or not at all, and the newest intact one is found.
- `run`, `model`: a training that can be stopped between two iterations. `patches.pipelines` puts them into BasicSR's.
- `changes`: resuming with other options than before.
- `folders`, `threads`: what is in the way, and how many threads a CPU should use.
"""
