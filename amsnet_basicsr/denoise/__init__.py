"""Denoise one's own images: `Denoiser` in Python, `amsnet-denoise` as a command. Nothing here imports BasicSR.

Importing this package is quick; PyTorch is loaded with the first of its names that is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amsnet_basicsr.denoise.denoiser import DenoiseError, Denoiser, ModelError

SMALLEST_TILE = 128
"""Side in pixels of the smallest tile that is taken from a user, or tried where memory runs out."""

__all__ = ['DenoiseError', 'Denoiser', 'ModelError']


def __getattr__(name: str) -> Any:
    if name in __all__:
        from amsnet_basicsr.denoise import denoiser

        return getattr(denoiser, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
