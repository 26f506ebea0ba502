"""Folders of images, one folder for every class; JPEG and PNG of any size."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from components.ingest_spec import ImageOptions, IngestSpec, SourceFile
from components.readers.features import record
from components.source_files import image_files

MOST_PIXELS = 64 * 2**20
"""A header that claims more is refused before anything is decoded: a few bytes can claim gigabytes."""

IMAGE = "image"
"""The feature that holds the pixels."""


class BadImage(Exception):
    """One image that cannot be read; the rest of its folder can."""


def read_images(file: SourceFile, spec: IngestSpec) -> Iterator[bytes | BadImage]:
    """One example for every image of a class's folder: its pixels, `int64 [height * width * channels]`, and its class.

    An image that cannot be read comes as a `BadImage`, for the caller to count.
    """
    (label,) = spec.targets
    folder = Path(file.path)
    number = spec.classes[label].index(folder.name)
    for path in image_files(folder):
        try:
            pixels = load(path, spec.images)
        except BadImage as error:
            yield error
            continue
        yield record({IMAGE: pixels, label: number})


def load(path: Path, options: ImageOptions) -> np.ndarray:
    """The pixels of one image, `uint8 [height, width, channels]`, turned as its EXIF orientation says.

    Raises:
        BadImage: It is damaged, no JPEG or PNG, too large, or of another size where none may be changed.
    """
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            if image.width * image.height > MOST_PIXELS:
                raise BadImage(f"{path.name} claims {image.width} x {image.height} pixels, more than {MOST_PIXELS:,}")
            image.load()
            upright = ImageOps.exif_transpose(image).convert("L" if options.channels == 1 else "RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadImage(f"{path.name}: {error}") from error
    return np.asarray(_sized(path, upright, options)).reshape(options.height, options.width, options.channels)


def _sized(path: Path, image: Image.Image, options: ImageOptions) -> Image.Image:
    size = (options.width, options.height)
    if image.size == size:
        return image
    if options.resize == "exact":
        raise BadImage(f"{path.name} must have {size[0]} x {size[1]} pixels, has {image.width} x {image.height}")
    if options.resize == "stretch":
        return image.resize(size, Image.Resampling.BILINEAR)
    fit = ImageOps.pad if options.resize == "pad" else ImageOps.fit
    return fit(image, size, Image.Resampling.BILINEAR)
