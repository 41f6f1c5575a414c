"""Models, registered with BasicSR on import."""

from amsnet_basicsr.patches import torchvision_alias  # noqa: F401 (before anything that imports BasicSR)

# isort: split
from amsnet_basicsr.models.amsnet_model import AMSNetModel
from amsnet_basicsr.models.apbsn_model import APBSNModel

__all__ = ['AMSNetModel', 'APBSNModel']
