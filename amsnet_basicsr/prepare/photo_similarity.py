"""Images that show nearly the same: copies, other sizes of an image, shots of one burst."""

import cv2
import numpy as np

SIMILAR = 32
"""Largest number of bits, of 256, in which the hashes of near-duplicates differ.

Measured on 21 images of scikit-image: 90 % of their copies saved as JPEG of quality 60, halved, made brighter by a
fifth or given noise of sigma 10 differ in at most 24. Different images, these and 160 patches of SIDD, differ in 55
bits at least, 99 % of them in more than 100.
"""
_ROWS = 16


def difference_hash(image: np.ndarray) -> bytes:
    """Hash an image so that similar ones have similar hashes (dHash).

    The image is shrunk to 17×16 grey pixels; a bit says whether a pixel is brighter than its left neighbour.

    Args:
        image: RGB image, (H, W, 3), uint8 or uint16.

    Returns:
        256 bits.
    """
    small = cv2.resize(image, (_ROWS + 1, _ROWS), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes()


class SimilarImages:
    """Finds the image among earlier ones that a new one is a near-duplicate of."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._hashes = np.zeros((64, _ROWS * _ROWS // 8), np.uint8)

    def find(self, code: bytes) -> str | None:
        """Look for the most similar image.

        Args:
            code: Hash of the new one.

        Returns:
            Name of an earlier one whose hash differs in no more than `SIMILAR` bits, or None.
        """
        if not self._names:
            return None
        known = self._hashes[: len(self._names)]
        distances = np.unpackbits(known ^ np.frombuffer(code, np.uint8), axis=1).sum(axis=1)
        nearest = int(distances.argmin())
        return self._names[nearest] if distances[nearest] <= SIMILAR else None

    def add(self, name: str, code: bytes) -> None:
        """Remember an image.

        Args:
            name: Its name.
            code: Its hash.
        """
        if len(self._names) == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._hashes[len(self._names)] = np.frombuffer(code, np.uint8)
        self._names.append(name)
