"""`python -m amsnet_basicsr.denoise`."""

import sys

from amsnet_basicsr.cli import main

if __name__ == '__main__':
    sys.exit(main())
