"""Models, registered with BasicSR on import."""

from amsnet_basicsr.models.amsnet_model import AMSNetModel
from amsnet_basicsr.models.apbsn_model import APBSNModel

__all__ = ['AMSNetModel', 'APBSNModel']
