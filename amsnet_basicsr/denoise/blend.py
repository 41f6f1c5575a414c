"""How much of the residual is removed: one rule for strength, luma, chroma and grain."""

from typing import Any, NamedTuple

import torch

_LUMA = 0.299, 0.587, 0.114
"""Weights of R, G and B in the luminance, as in JPEG (BT.601)."""


class Blend(NamedTuple):
    """Shares of the residual, noisy minus denoised, that are removed.

    Attributes:
        auto: Whether detail that the network took for noise is restored first (`detail_guard`).
        luma: Share of the residual's luminance.
        chroma: Share of the rest, its colours.
    """

    auto: bool = False
    luma: float = 1.0
    chroma: float = 1.0

    @classmethod
    def of(
        cls, strength: float | str = 1.0, luma: float | None = None, chroma: float | None = None, grain: float = 0.0
    ) -> 'Blend':
        """Read a user's settings.

        Args:
            strength: Share that is removed, 0 to 1; 'auto' removes all but detail.
            luma: Share of the luminance that is removed, 0 to 1, instead of `strength`.
            chroma: Share of the colours that is removed, 0 to 1, instead of `strength`.
            grain: Share of what would be removed that stays, 0 to 1.

        Raises:
            ValueError: If one is out of range.
        """
        auto = strength == 'auto'
        share: Any = 1.0 if auto else strength
        luma, chroma = (share if value is None else value for value in (luma, chroma))
        for name, value in {'strength': share, 'luma': luma, 'chroma': chroma, 'grain': grain}.items():
            if value is None or isinstance(value, str) or not 0 <= value <= 1:
                raise ValueError(f'{name} must be from 0 to 1{", or auto" * (name == "strength")}, got {value!r}')
        return cls(auto, luma * (1 - grain), chroma * (1 - grain))

    @property
    def removes_all(self) -> bool:
        """Whether nothing of the residual stays."""
        return self.luma == self.chroma == 1

    def __call__(self, noisy: torch.Tensor, denoised: torch.Tensor) -> torch.Tensor:
        """Blend images, (..., 1 or 3, H, W), floating point; one channel is luminance alone."""
        if self.removes_all:
            return denoised
        change = denoised - noisy
        if change.shape[-3] == 1:
            return noisy + self.luma * change
        result = noisy + self.chroma * change
        if self.luma != self.chroma:
            weights = change.new_tensor(_LUMA)[:, None, None]
            result += (self.luma - self.chroma) * (weights * change).sum(dim=-3, keepdim=True)
        return result
