"""Pictures for the gallery: made smaller, cut, and encoded for a browser with their colours kept."""

import numpy as np
import pyvips

from amsnet_basicsr.denoise.gallery.page import Picture
from amsnet_basicsr.images import Photo, to_8_bit


def shrink(photo: Photo, longest: int) -> Photo:
    """Make a picture smaller.

    Args:
        photo: The picture.
        longest: Longest side that is wanted, in pixels.

    Returns:
        The picture of that longest side, at its own bit depth; the picture itself if it is no larger.
    """
    height, width = photo.pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return photo
    small_width, small_height = max(1, round(width * scale)), max(1, round(height * scale))
    image = _to_vips(photo)
    depth = image.format
    if photo.alpha is not None:  # colours of invisible pixels must not bleed into visible ones
        image = image.premultiply(max_alpha=np.iinfo(photo.pixels.dtype).max)
    image = image.resize(small_width / width, vscale=small_height / height)
    if photo.alpha is not None:
        image = image.unpremultiply(max_alpha=np.iinfo(photo.pixels.dtype).max)
    pixels = image.rint().cast(depth).numpy().reshape(small_height, small_width, -1)
    if photo.alpha is None:
        return Photo(pixels, None, photo.metadata)
    return Photo(pixels[..., :-1], pixels[..., -1], photo.metadata)


def cut(photo: Photo, top: int, left: int, height: int, width: int) -> Photo:
    """Cut a part out of a picture.

    Args:
        photo: The picture.
        top: First row.
        left: First column.
        height: Number of rows.
        width: Number of columns.

    Returns:
        The part.
    """
    rows, columns = slice(top, top + height), slice(left, left + width)
    alpha = None if photo.alpha is None else photo.alpha[rows, columns]
    return Photo(photo.pixels[rows, columns], alpha, photo.metadata)


def detailed_part(small: Photo, size: tuple[int, int], side: int) -> tuple[int, int, int, int]:
    """Choose the part of a picture with the most detail, where a denoiser has the most to lose.

    Args:
        small: The picture, maybe made smaller.
        size: Height and width of the picture itself.
        side: Height and width of the part; a picture that is smaller is taken from border to border.

    Returns:
        Top, left, height and width of the part in the picture itself.
    """
    part = [min(whole, side) for whole in size]
    luma = small.pixels.mean(axis=2)
    place = most_detailed(luma, *(max(1, p * s // w) for p, s, w in zip(part, luma.shape, size, strict=True)))
    top, left = (min(x * w // s, w - p) for x, w, s, p in zip(place, size, luma.shape, part, strict=True))
    return top, left, part[0], part[1]


def most_detailed(luma: np.ndarray, height: int, width: int) -> tuple[int, int]:
    """Find the part of a picture with the most detail, where a denoiser has the most to lose.

    Args:
        luma: Brightness, (H, W).
        height: Height of the part, at most H.
        width: Width of the part, at most W.

    Returns:
        Top and left of the part with the largest mean absolute difference between neighbouring pixels, of parts that
        lie a quarter of their size apart.
    """
    luma = luma.astype(np.float64)
    change = np.abs(np.diff(luma, axis=0, append=luma[-1:])) + np.abs(np.diff(luma, axis=1, append=luma[:, -1:]))
    sums = np.pad(change, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    rows, columns = (
        np.unique([*range(0, whole - part, max(part // 4, 1)), whole - part])
        for whole, part in zip(luma.shape, (height, width), strict=True)
    )
    top, left = rows[:, None], columns[None]
    totals = sums[top + height, left + width] - sums[top, left + width] - sums[top + height, left] + sums[top, left]
    row, column = np.unravel_index(totals.argmax(), totals.shape)
    return int(rows[row]), int(columns[column])


def encode(photo: Photo, quality: int | None = None) -> Picture:
    """Encode a picture for a browser, in 8 bit, with its ICC profile and nothing else.

    Args:
        photo: The picture.
        quality: Quality from 1 to 100; None is lossless.

    Returns:
        Lossy: JPEG at full colour resolution, as halving it takes a seventh of the noise away; with alpha, WebP.
        Lossless: WebP. Grey with alpha or lossless is PNG, as WebP has no grey that a grey profile would fit.
    """
    if photo.pixels.dtype == np.uint16:
        photo = to_8_bit(photo)
    image = _to_vips(photo)
    height, width = photo.pixels.shape[:2]
    if quality is not None and photo.alpha is None:
        content = image.jpegsave_buffer(Q=quality, subsample_mode='off', optimize_coding=True)
        return Picture('image/jpeg', content, width, height)
    if photo.grey:
        return Picture('image/png', image.pngsave_buffer(), width, height)
    how = {'lossless': True} if quality is None else {'Q': quality, 'smart_subsample': True}
    return Picture('image/webp', image.webpsave_buffer(**how), width, height)


def _to_vips(photo: Photo) -> pyvips.Image:
    deep = photo.pixels.dtype == np.uint16
    kind = ('grey16' if deep else 'b-w') if photo.grey else ('rgb16' if deep else 'srgb')
    image = pyvips.Image.new_from_array(np.ascontiguousarray(photo.pixels), interpretation=kind)
    if photo.alpha is not None:
        image = image.bandjoin(pyvips.Image.new_from_array(np.ascontiguousarray(photo.alpha)))
    image = image.copy(interpretation=kind)
    if photo.metadata.icc:
        image.set_type(pyvips.GValue.blob_type, 'icc-profile-data', photo.metadata.icc)
    return image
