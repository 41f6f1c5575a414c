"""Models, registered with BasicSR on import."""

from amsnet_basicsr.patches import compat

compat.prepare_import()  # a data worker may get here first

from amsnet_basicsr.models.amsnet_model import AMSNetModel  # noqa: E402
from amsnet_basicsr.models.apbsn_model import APBSNModel  # noqa: E402

__all__ = ['AMSNetModel', 'APBSNModel']
