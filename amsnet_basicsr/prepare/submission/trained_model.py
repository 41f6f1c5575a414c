"""Denoising single images by a trained model, just as `basicsr/test.py` does with the same options."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from amsnet_basicsr.options.checks.run import check_options
from amsnet_basicsr.options.complete import complete_options
from amsnet_basicsr.options.reader import read_options
from amsnet_basicsr.scheme import image_channels
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line


class TrainedModel:
    """The model that test options describe: network, weights and scheme with its refinement; datasets are ignored.

    Args:
        options: Path of the options file.

    Raises:
        UserError: If something is wrong with the options or the weights.
    """

    def __init__(self, options: Path) -> None:
        from amsnet_basicsr import plugin  # noqa: F401 (registers)
        from amsnet_basicsr.patches.models.build import build_model

        opt = _read(options)
        weights = Path(opt['path']['pretrain_network_g'])
        #: What the output depends on, plain values.
        self.settings: dict[str, Any] = {
            **{key: opt.get(key) for key in ('model_type', 'network_g', 'scheme')},
            'param_key_g': opt['path'].get('param_key_g'),
            'weights': f'{weights} (sha256 {hashlib.sha256(weights.read_bytes()).hexdigest()[:16]})',
        }
        #: The name of the experiment.
        self.name: str = opt['name']
        try:
            self._model = build_model(opt)
        except Exception as error:  # what a network, or PyTorch reading the weights, finds wrong
            what = f'network_g with the weights {weights} cannot be built'
            raise UserError(f'{options}: {what}: {one_line(error)}') from error
        if image_channels(self._model.get_bare_model(self._model.net_g)) != 3:
            raise UserError(f'{options}: network_g takes other images than RGB ones, which the benchmark has')

    def denoise(self, noisy: np.ndarray) -> np.ndarray:
        """Denoise one image, RGB (H, W, 3) float in [0, 1]; UserError if the network returns NaN or infinity."""
        chw = np.ascontiguousarray(noisy.transpose(2, 0, 1), dtype=np.float32)
        self._model.feed_data({'lq': torch.from_numpy(chw)[None]})
        self._model.test()
        output = self._model.output[0].detach().float().cpu()
        if not torch.isfinite(output).all():
            raise UserError('the network returns NaN or infinite values')
        return output.clamp(0, 1).permute(1, 2, 0).numpy()


def _read(path: Path) -> dict[str, Any]:
    """Read and check the options as for testing, but for the datasets and the folder of results."""
    opt = complete_options(read_options(str(path)), '.', is_train=False, gpus=torch.cuda.device_count())
    opt['datasets'] = {}
    if isinstance(opt.get('path'), dict):
        opt['path'].pop('results_root', None)
    if problems := check_options(opt, with_data=False).problems:
        raise UserError(f'{path}: ' + '; '.join(problems))
    return opt
