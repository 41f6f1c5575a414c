"""Run a network over one image of any size: by masks or in one pass, in tiles that fit into memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from amsnet_basicsr.archs.layers.fuse_batch_norm import fuse_batch_norm
from amsnet_basicsr.denoise import SMALLEST_TILE
from amsnet_basicsr.denoise.memory import bytes_per_pixel, memory_budget
from amsnet_basicsr.denoise.precision import PRECISIONS
from amsnet_basicsr.options.blocks import DenoiserScheme
from amsnet_basicsr.scheme import AsymmetricMaskDenoiser, same_size_forward
from amsnet_basicsr.scheme.tile import ReadRegion, WriteRows, run_in_regions

#: On a CPU larger tiles bring no speed, only memory.
LARGEST_TILE, LARGEST_TILE_ON_CPU = 2048, 1024
#: Of it 60 pixels are context alone: what DnCNN sees at stride 2 and again in R3, to a few. More costs time.
LARGEST_OVERLAP = 160
#: Most pixels of branches and samples in one pass of the mask scheme, where tiles don't ask for less. On a CPU features
#: of smaller passes stay nearer (docs/results/performance.md).
MOST_PIXELS, MOST_PIXELS_ON_CPU = 2**18, 2**16
_OUT_OF_MEMORY = ('alloc', 'out of memory')


class DenoiseError(RuntimeError):
    """An image can't be denoised; the message says why, in one line."""


@dataclass
class TiledNetwork:
    """Runs a network over images by its scheme; where memory runs out, in smaller tiles from then on.

    The settings are those of `Denoiser`; the network, in evaluation mode, lies on `device`.
    """

    net: nn.Module
    channels: int
    multiple: int
    device: torch.device
    scheme: DenoiserScheme
    seed: int
    tile: int | str
    on_notice: Callable[[str], None] | None

    def __post_init__(self) -> None:
        self.net = fuse_batch_norm(self.net)

    def run(self, read: ReadRegion, write: WriteRows, height: int, width: int, precision: str) -> Iterator[int]:
        """Run over one image and yield the pixels done; a DenoiseError if memory runs out with the smallest tiles.

        Where memory ran out before, `write` takes the rows from the top once more.
        """

        def forward(x: torch.Tensor) -> torch.Tensor:
            if precision == 'float32':
                return self.net(x)
            with torch.autocast(self.device.type, PRECISIONS[precision]):
                return self.net(x).float()

        def one_pass(x: torch.Tensor, top: int, left: int) -> torch.Tensor:
            results = [same_size_forward(forward, image, self.multiple) for image in x.split(1)]
            return results[0] if len(results) == 1 else torch.cat(results)

        most_pixels = MOST_PIXELS_ON_CPU if self.device.type == 'cpu' else MOST_PIXELS
        masked = None
        if self.scheme.type == 'amsnet':
            settings = {name: value for name, value in self.scheme if name != 'type'}
            masked = AsymmetricMaskDenoiser(forward, seed=self.seed, size_multiple=self.multiple, **settings)
        run = masked.on_regions((1, self.channels, height, width)) if masked is not None else one_pass
        align = self.multiple * (1 if masked is None else masked.stride)
        if self.tile == 'auto':  # once: memory that was freed and kept (allocator.py) looks used to the next image
            self.tile = self._affordable_tile()
        size = int(self.tile) and max(int(self.tile), 2 * align)  # room for an overlap on the network's own grid
        longest = max(height, width)
        while True:
            if masked is not None:
                # Branches and samples share a pass; together they must take no more memory than a tile may.
                masked.max_pixels = min(most_pixels, (size // self._tile_by_pass) ** 2) if size else most_pixels
            try:
                overlap = min(size // 4, LARGEST_OVERLAP)
                yield from run_in_regions(run, read, write, height, width, size, overlap, align)
                return
            except (MemoryError, RuntimeError) as error:
                if not isinstance(error, MemoryError) and not any(
                    word in str(error).lower() for word in _OUT_OF_MEMORY
                ):
                    raise
            used = min(size or longest, longest)
            if used <= SMALLEST_TILE:
                raise DenoiseError(f'out of memory, even with tiles of {used} pixels')
            size = self.tile = max(SMALLEST_TILE, used // 2)
            if self.device.type == 'cuda':
                torch.cuda.empty_cache()
            if self.on_notice is not None:
                self.on_notice(f'out of memory: going on with tiles of {size} pixels')

    def _affordable_tile(self) -> int:
        per_pixel = bytes_per_pixel(self.net, self.channels, self.multiple)
        affordable = memory_budget(self.device) / per_pixel * self._tile_by_pass**2
        largest = LARGEST_TILE_ON_CPU if self.device.type == 'cpu' else LARGEST_TILE
        return int(min(max(affordable**0.5, SMALLEST_TILE), largest)) // 64 * 64

    @property
    def _tile_by_pass(self) -> int:
        """Side of a tile by that of the largest sub-image that is run at once."""
        scheme = self.scheme
        if scheme.type == 'plain':
            return 1
        return min(scheme.stride, scheme.refine.pass_stride(scheme.stride) if scheme.refine else scheme.stride)
