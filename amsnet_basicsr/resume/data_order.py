"""Training data in an order, and with random crops, that depend on the seed and the place in the training alone."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Dataset, Sampler

from amsnet_basicsr.data.read_item import read_item
from amsnet_basicsr.utils.seeding import mixed_seed, seed_generators

Place = tuple[int, int]
"""Index of an image, and the seed of what is random in reading it."""


class ResumableSampler(Sampler[Place]):
    """Takes the part of BasicSR's `EnlargedSampler`: shuffles an enlarged data set, a share for each process.

    It also honours the seed of the run, gives each image a seed of its own, and can begin in the middle of an epoch.
    The seed belongs to the place in the whole epoch: two processes with a batch of one see what one process with a
    batch of two sees. Process `rank` of W gets the places rank, rank + W, rank + 2·W, …
    """

    def __init__(self, dataset: Dataset, num_replicas: int, rank: int, ratio: float = 1, seed: int = 0) -> None:
        self.images = len(dataset)  # type: ignore[arg-type]
        self.num_replicas, self.rank, self.seed = num_replicas, rank, seed
        self.num_samples = math.ceil(self.images * ratio / num_replicas)
        self.epoch = 0
        self._start: tuple[int, int] = (0, 0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next pass."""
        self.epoch = epoch

    def begin_at(self, epoch: int, taken: int) -> None:
        """Leave out the images that an earlier run of this process has taken of an epoch."""
        self._start = (epoch, taken)

    def __iter__(self) -> Iterator[Place]:
        """Yield the places of this epoch, or what is left of it."""
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, self.epoch))
        order = torch.randperm(self.num_samples * self.num_replicas, generator=generator).tolist()
        epoch, taken = self._start
        first = taken if epoch == self.epoch else 0
        for place in range(self.rank + first * self.num_replicas, len(order), self.num_replicas):
            yield order[place] % self.images, mixed_seed(self.seed, self.epoch, place)

    def __len__(self) -> int:
        """Number of images in a whole epoch."""
        return self.num_samples


class SeededDataset(Dataset):
    """Reads images of a data set, each with the global generators seeded for it.

    BasicSR's data sets draw crops and flips from Python's generator, others from NumPy's or PyTorch's: all are seeded.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, place: Place) -> Any:
        """Read the image of a place."""
        index, seed = place
        seed_generators(seed)
        return read_item(self.dataset, index, 'training image')

    def __len__(self) -> int:
        """Number of images."""
        return len(self.dataset)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        """Everything else, such as `opt`, is the data set's own."""
        if name == 'dataset':  # not there yet, while a worker unpickles this
            raise AttributeError(name)
        return getattr(self.dataset, name)
