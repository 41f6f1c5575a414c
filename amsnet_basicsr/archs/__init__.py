"""Denoising networks: (N, C, H, W) images in, images of the same shape out.

Nothing here imports BasicSR, so the networks work without it; the plugin registers all of `ARCHS` with BasicSR.
Each network states two attributes: `size_multiple`, which the height and width of its input must be multiples of, and
`image_channels`, the number C of channels that it takes.
"""

from torch import nn

from .dbsn_arch import DBSNl
from .deamnet_arch import DeamNet
from .dncnn_arch import DnCNN
from .nafnet_arch import NAFNet, NAFNetBaseline
from .restormer_arch import Restormer
from .unet_arch import UNet

ARCHS: dict[str, type[nn.Module]] = {
    net.__name__: net for net in (DBSNl, DeamNet, DnCNN, NAFNet, NAFNetBaseline, Restormer, UNet)
}
"""The networks by their name in options and on command lines."""

__all__ = ['ARCHS', 'DBSNl', 'DeamNet', 'DnCNN', 'NAFNet', 'NAFNetBaseline', 'Restormer', 'UNet']
