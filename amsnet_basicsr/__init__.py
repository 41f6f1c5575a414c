"""AMSNet for BasicSR: self-supervised denoising of real images.

Importing this package is quick; its one side effect is an alias for a torchvision module that BasicSR 1.4.2 needs. It
gives access to three things:

- `from amsnet_basicsr import Denoiser` denoises images, without BasicSR.
- `amsnet_basicsr.plugin` registers the archs, datasets, losses, metrics and models with BasicSR.
- Reading `amsnet_basicsr.__version__` imports that plugin first. An options file with the line
  `plugin: !!python/name:amsnet_basicsr.__version__` thus registers everything in an unmodified BasicSR, whose options
  reader looks the name up, while `amsnet_basicsr.scheme` and `amsnet_basicsr.archs` stay usable without BasicSR.
"""

from typing import Any

from amsnet_basicsr.patches import torchvision_alias as torchvision_alias  # before any `import basicsr`


def __getattr__(name: str) -> Any:
    if name == '__version__':
        from amsnet_basicsr import plugin

        return plugin.__version__
    if name == 'Denoiser':
        from amsnet_basicsr.denoise.denoiser import Denoiser

        return Denoiser
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
