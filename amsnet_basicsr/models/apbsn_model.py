"""AP-BSN as a BasicSR model, to compare AMSNet with: what differs from `AMSNetModel`, and nothing else."""

from collections import OrderedDict

import torch
from basicsr.utils.registry import MODEL_REGISTRY

from amsnet_basicsr.models.amsnet_model import AMSNetModel
from amsnet_basicsr.options.blocks import APBSNOptions
from amsnet_basicsr.options.blocks.training import APBSNTraining
from amsnet_basicsr.scheme import mosaic_denoise


@MODEL_REGISTRY.register()
class APBSNModel(AMSNetModel):
    """Train a blind-spot network on noisy images alone, by asymmetric pixel-downsampling.

    The whole image is restored from its own mosaic and compared with itself. Nothing but the network's blind spot
    keeps it from learning the identity; a network without one, such as `DBSNl` with `dilated: false`, does learn it.

    Args:
        opt: As for `AMSNetModel`, with a `scheme` block of `APBSNOptions` and a `train` block of `APBSNTraining`, whose
            `pixel_opt` compares the restored with the noisy image.
    """

    scheme_options = APBSNOptions
    training_options = APBSNTraining

    def draw_masks(self, noisy: torch.Tensor) -> None:
        """Draw none: AP-BSN hides nothing."""

    def compute_losses(self, noisy: torch.Tensor, index: torch.Tensor | None = None) -> OrderedDict[str, torch.Tensor]:
        """Compare the images restored at the train stride with the noisy ones; `index` is unused."""
        restored = mosaic_denoise(self._run_net, noisy, self.scheme.train_stride, self.scheme.pad)
        return OrderedDict(l_pix=self.cri_pix(restored, noisy))

    def predict_hidden(self) -> torch.Tensor:
        """Restore `self.lq` as in training, for `calculate_mask_l1`.

        The blind spot hides each pixel from its own prediction. Without one, the metric rewards copying.
        """
        return self._in_eval_mode(lambda denoiser: denoiser.denoise_once(self.lq, self.scheme.train_stride))
