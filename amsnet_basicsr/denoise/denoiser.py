"""One call from a noisy image to a denoised one: any size, NumPy or PyTorch, without BasicSR or options."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import PIL.Image
import torch
from torch import nn

from amsnet_basicsr.denoise.allocator import release_freed_memory
from amsnet_basicsr.denoise.auto_strength.cosine_blocks import BLOCK
from amsnet_basicsr.denoise.auto_strength.detail_guard import BAND, give_back_detail
from amsnet_basicsr.denoise.blend import Blend
from amsnet_basicsr.denoise.load_model import ModelError, load_model
from amsnet_basicsr.denoise.pixels import as_images, bits_in_use, from_float, to_float
from amsnet_basicsr.denoise.precision import PRECISIONS, bfloat16_will_do
from amsnet_basicsr.denoise.tiled_network import DenoiseError, TiledNetwork
from amsnet_basicsr.options.blocks import DenoiserScheme
from amsnet_basicsr.scheme import R3, Refinement, channels_and_multiple
from amsnet_basicsr.utils.text import first_line

__all__ = ['DenoiseError', 'Denoiser', 'ModelError']

Image = TypeVar('Image', np.ndarray, torch.Tensor, PIL.Image.Image)


class Denoiser:
    """Denoise images with one network.

    The same image and seed give the same result, whatever the batch it is in; tiles and devices change it by rounding
    only (networks that look at the whole image: by what they see of it).

    Args:
        net: Network that maps (N, C, H, W) to (N, C, H, W), values in [0, 1]. C is 3, or 1: then each colour of an
            image is denoised as a grey image of its own. Put into evaluation mode; a batch normalisation that a
            convolution can take in is folded in a copy, so later changes of weights don't count.
        scheme: How to run it; `DenoiserScheme('plain')` is one pass.
        seed: Seed of the masks and of the refinement.
        tile: Side in pixels of the square regions that a large image is run in: 'auto' goes by the memory that is
            there, 0 takes images whole.
        device: Where to run: 'cpu', 'cuda', …; None takes a GPU where there is one.
        precision: What the network computes in: 'float32', 'bfloat16' or 'float16'; 'auto' takes bfloat16 for large
            8-bit images on processors that have instructions for it, if a part of the image stays within one level.
        on_notice: Told in a sentence when memory ran out and smaller tiles are tried.

    Attributes:
        scheme: How the network is run.
        arch: Name of the network.
        channels: 1 for a network for grey images, otherwise 3.
        options: Its hyper-parameters, as far as known.
        source: Where the weights come from.
        notes: What was assumed, a sentence each.
        noise_level: Standard deviation of the noise, for values from 0 to 1, of the last image that was denoised with
            strength 'auto'; None before, and for an image of fewer than 8 pixels a side, too small to tell.
        computed_in: What the last image was computed in.
        used_bits: Bits that the last image used, of uint16, and that its values were scaled from and back to; None for
            other types.

    Raises:
        ModelError: If the network isn't such.
        ValueError: If a setting is unknown or out of range.
    """

    def __init__(
        self,
        net: nn.Module,
        scheme: DenoiserScheme | None = None,
        seed: int = 0,
        tile: int | str = 'auto',
        device: str | torch.device | None = None,
        precision: str = 'float32',
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        if tile != 'auto' and (not isinstance(tile, int) or isinstance(tile, bool) or tile < 0):
            raise ValueError(f'tile must be a number of pixels, 0 for none, or auto, got {tile!r}')
        if precision not in ('auto', *PRECISIONS):
            raise ValueError(f'precision must be one of auto, {", ".join(PRECISIONS)}, got {precision!r}')
        self.device = _device(device)
        self.precision = precision
        self.computed_in = 'float32'
        self.used_bits: int | None = None
        self.scheme = scheme or DenoiserScheme()
        try:
            channels, multiple = channels_and_multiple(net)
        except ValueError as error:
            raise ModelError(str(error)) from None
        if channels not in (1, 3):
            raise ModelError(f'{type(net).__name__} takes images of {channels} channels, not RGB or grey ones')
        self.net = net.eval().to(self.device).to(memory_format=torch.channels_last)
        self._network = TiledNetwork(self.net, channels, multiple, self.device, self.scheme, seed, tile, on_notice)
        self.arch, self.channels = type(net).__name__, channels
        self.options: dict[str, Any] = {}
        self.source = ''
        self.notes: list[str] = []
        self.noise_level: float | None = None

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        opt: str | Path | None = None,
        scheme: str = 'auto',
        refine: bool | Refinement | None = None,
        stride: int | None = None,
        branches: int | None = None,
        seed: int = 0,
        tile: int | str = 'auto',
        device: str | torch.device | None = None,
        precision: str = 'float32',
        on_notice: Callable[[str], None] | None = None,
    ) -> 'Denoiser':
        """Load a network and what is known of how to run it.

        Args:
            model: File of weights (.pth or .safetensors), or a folder with `model.safetensors`; None takes what the
                package ships, or what the options file names.
            opt: Options file of BasicSR that tells network and scheme; without it they are recovered from the file.
            scheme: 'amsnet' (masks over sub-images), 'plain' (one pass), or 'auto': what the file says, else amsnet.
            refine: True for `R3()`, False for none, a refinement, or None for what the file says.
            stride: Pixel-downsampling stride of the mask scheme; None for what the file says, else 2.
            branches: Number of branches k; None for what the file says, else 2.
            seed: See the class, as for the rest.
            tile: See the class.
            device: See the class.
            precision: See the class.
            on_notice: See the class.

        Returns:
            The denoiser.

        Raises:
            ModelError: If the weights can't be used; the message names the file.
            ValueError: If a setting is unknown, out of range, or means nothing for a plain network.
        """
        if scheme not in ('auto', 'amsnet', 'plain'):
            raise ValueError(f'scheme must be auto, amsnet or plain, got {scheme!r}')
        changes: dict[str, Any] = {'stride': stride, 'branches': branches}
        changes = {name: value for name, value in changes.items() if value is not None}
        if refine is not None:
            changes['refine'] = (R3() if refine is True else refine).options() if refine else None
        device = _device(device)
        loaded = load_model(model, opt, scheme, **changes)
        if loaded.scheme.type == 'plain':
            loaded.pool_locally()
        denoiser = cls(loaded.net, loaded.scheme, seed, tile, device, precision, on_notice)
        denoiser.arch, denoiser.options, denoiser.source = loaded.arch, loaded.options, loaded.source
        denoiser.notes = loaded.notes
        if denoiser.channels == 1:
            denoiser.notes.append('this is a network for grey images: each colour is denoised by itself')
        return denoiser

    @property
    def scheme_settings(self) -> DenoiserScheme:
        """The old name of `scheme`."""
        warnings.warn('Denoiser.scheme_settings is called scheme now', DeprecationWarning, stacklevel=2)
        return self.scheme

    def __call__(
        self,
        image: Image,
        strength: float | str = 1.0,
        progress: Callable[[int, int], None] | None = None,
        *,
        luma: float | None = None,
        chroma: float | None = None,
        grain: float = 0.0,
        bits: int | None = None,
    ) -> Image:
        """Denoise an image or a batch.

        Args:
            image: NumPy: uint8, uint16 or floating point in [0, 1], (H, W), (H, W, 1), (H, W, 3), or a batch
                (N, H, W, 1 or 3); with alpha one channel more, which is returned as it is. PyTorch: floating point in
                [0, 1] or uint8, (1 or 3, H, W) or (N, 1 or 3, H, W), on any device. Or a PIL image. RGB. A
                network for RGB gets grey as three equal channels, whose mean is returned.
            strength: 1 returns the denoised image, 0 the noisy one, a value between a blend. 'auto' gives back what was
                not noise, a photograph its brightness, and an image without noise as it is; `noise_level` then tells
                how much there was.
            progress: Called with the pixels done and all pixels after each region.
            luma: Strength for the luminance, if it is another.
            chroma: Strength for the colours, if it is another.
            grain: Share of what would be removed that stays, 0 to 1.
            bits: Bits that uint16 uses, 8 to 16; None: the fewest of 8, 10, 12, 14 and 16 that hold an image but for a
                few outliers. They are denoised as the whole range, and the result has their range.

        Returns:
            The denoised image, of the same kind, type, shape and device. Integers are rounded once; floating point
            is clamped to [0, 1].

        Raises:
            ValueError: If the image is of another shape or type, or a strength out of range.
            DenoiseError: If the result holds NaN, or memory runs out with the smallest tiles.
        """
        blend = Blend.of(strength, luma, chroma, grain)
        if bits is not None and not 8 <= bits <= 16:
            raise ValueError(f'bits must be from 8 to 16, got {bits!r}')
        images, rebuild = as_images(image)
        result = torch.empty_like(images)
        every = images.shape[0] * images.shape[2] * images.shape[3]
        for number, (noisy, own) in enumerate(zip(images, result, strict=True)):
            before = number * every // images.shape[0]
            values, self.used_bits = noisy, None
            if noisy.dtype == torch.uint16:
                from amsnet_basicsr.images import stretch, unstretch  # imports OpenCV, which others need not wait for

                self.used_bits = bits_in_use(noisy.permute(1, 2, 0).numpy()) if bits is None else bits
                values = torch.from_numpy(stretch(noisy.numpy(), self.used_bits))
            self.computed_in = self._precision_for(values, blend)
            for done in self._image(values, own, blend):
                if progress is not None:
                    progress(before + done, every)
            if self.used_bits is not None:
                own.numpy()[...] = unstretch(own.numpy(), self.used_bits, noisy.numpy())
        return rebuild(result)

    @torch.no_grad()
    def _image(self, noisy: torch.Tensor, result: torch.Tensor, blend: Blend) -> Iterator[int]:
        """Denoise one image (C, H, W) of any type into `result`, region by region; yields the pixels done."""
        yield from self._regions(noisy[None], result[None], Blend() if blend.auto else blend)
        release_freed_memory()  # what follows needs memory of other sizes
        if not blend.auto:
            return
        level = give_back_detail(noisy, result)
        self.noise_level = level if min(noisy.shape[1:]) >= BLOCK else None
        if not blend.removes_all:
            for before, after in zip(noisy.split(BAND, dim=1), result.split(BAND, dim=1), strict=True):
                after.copy_(from_float(blend(to_float(before), to_float(after)).clamp(0, 1), after.dtype))

    def _precision_for(self, noisy: torch.Tensor, blend: Blend) -> str:
        """Choose what an image is computed in."""
        if self.precision != 'auto':
            return self.precision

        def trial(part: torch.Tensor, precision: str) -> torch.Tensor:
            self.computed_in, result = precision, torch.empty_like(part)
            for _ in self._image(part, result, Blend(blend.auto)):
                pass
            return result

        try:
            return 'bfloat16' if bfloat16_will_do(noisy, self.device, trial) else 'float32'
        except DenoiseError:
            return 'float32'

    @torch.inference_mode()
    def _regions(self, noisy: torch.Tensor, result: torch.Tensor, blend: Blend) -> Iterator[int]:
        """Denoise one image (1, C, H, W) of any type into `result`; yields the pixels done after each region."""
        if noisy.shape[1] == 3 and torch.equal(noisy[:, :1].expand_as(noisy), noisy):  # grey stays grey
            yield from self._regions(noisy[:, :1], result[:, :1], blend)
            result.copy_(result[:, :1].expand_as(result).clone())
            return
        grey_network = self.channels == 1

        def read(top: int, bottom: int, left: int, right: int) -> torch.Tensor:
            region = to_float(noisy[..., top:bottom, left:right].to(self.device))
            # Three colours are three images to a grey network.
            region = region.transpose(0, 1) if grey_network else region.expand(-1, 3, -1, -1)
            return region.contiguous(memory_format=torch.channels_last)

        def write(rows: torch.Tensor, top: int) -> None:
            if not rows.isfinite().all():
                advice = '' if self.computed_in == 'float32' else '; try precision float32'
                raise DenoiseError(f'the network gives NaN or infinite values{advice}')
            target = result[..., top : top + rows.shape[2], :]
            if grey_network:
                rows = rows.transpose(0, 1)
            elif target.shape[1] == 1:
                rows = rows.mean(dim=1, keepdim=True)
            if not blend.removes_all:
                rows = blend(to_float(noisy[..., top : top + rows.shape[2], :].to(rows.device)), rows)
            target.copy_(from_float(rows.clamp(0, 1), result.dtype))

        h, w = noisy.shape[-2:]
        yield from self._network.run(read, write, h, w, self.computed_in)


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        if torch.cuda.is_available():
            return torch.device('cuda')
        return torch.device('mps' if torch.backends.mps.is_available() else 'cpu')
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = first_line(error)
        raise ValueError(f'device {device} cannot be used: {reason}') from None
    return chosen
