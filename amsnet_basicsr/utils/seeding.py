"""Seeds that depend only on the state of a training, such as its iteration."""

import hashlib
import random

import numpy as np
import torch


def mixed_seed(*numbers: int) -> int:
    """Combine several numbers, such as the seed of a run and an iteration, into one seed.

    A hash, since sums would give neighbouring runs the same seeds.
    """
    packed = b''.join(int(number).to_bytes(9, 'little', signed=True) for number in numbers)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), 'little') >> 1


def seed_generators(seed: int) -> None:
    """Seed the global generators of Python, NumPy and PyTorch, those of GPUs in use included."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    # Not torch.manual_seed: where CUDA isn't in use, it walks the stack to remember who asked, at every call.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
