"""Reading one image of any data set, BasicSR's and a user's own included."""

from typing import Any

import cv2

from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line


def read_item(dataset: Any, index: int, what: str) -> Any:
    """Read an image; whatever goes wrong ends in a `UserError` of one line that names it.

    Args:
        dataset: The data set.
        index: Which image.
        what: What the error calls it.
    """
    try:
        return dataset[index]
    except (ValueError, KeyError, OSError, AttributeError, TypeError, cv2.error) as error:
        reason: object = error.args[0] if isinstance(error, KeyError) else error
        paths = getattr(dataset, 'paths', None)  # BasicSR's have them; ours name the file themselves
        where = f'{what} {paths[index]}: ' if isinstance(paths, list) and index < len(paths) else ''
        if isinstance(error, AttributeError | TypeError | cv2.error):  # BasicSR uses the None that a damaged file gives
            reason, where = f'cannot be read, is it damaged? ({error})', where or f'{what} {index}: '
        raise UserError(where + one_line(reason)) from error
