"""Augmentation and batches; all randomness depends only on seed, epoch and step."""

import numpy as np
import tensorflow as tf

from helpers.data import read_images
from helpers.distributed import own_rows, worker
from helpers.recipe import load_size


def augment(images, labels, seed, size, mixup=0.2, min_crop_scale=0.45, cutmix=0.0):
    """Randomly crops, flips, brightens and mixes the images of one batch.

    images uint8 (n, s, s, 3), labels one-hot (n, classes), seed int (2,) -> float32
    (n, size, size, 3) in 0-255 and (n, classes). mixup: alpha of the Beta distribution, 0 for
    none; cutmix: the fraction of images mixed by CutMix instead. Source: Szegedy et al. 2014
    (crops).
    """
    count = tf.shape(images)[0]
    whole = count * worker()[1]  # images in the batch of all machines
    seeds = tf.unstack(tf.random.split(seed, 8), num=8)

    def uniform(key, shape, low, high):
        return own_rows(tf.random.stateless_uniform((whole, *shape), seeds[key], low, high))

    # The sides of a crop are min_crop_scale to 1 times the image's; their ratio is up to e^0.3.
    stretch = tf.exp(uniform(0, (1,), -0.15, 0.15))
    sides = tf.minimum(
        uniform(1, (1,), min_crop_scale, 1.0) * tf.concat([stretch, 1 / stretch], 1), 1.0
    )
    corner = uniform(2, (2,), 0.0, 1.0) * (1 - sides)
    top, left, bottom, right = tf.unstack(tf.concat([corner, corner + sides], 1), axis=1)
    mirror = uniform(3, (), 0.0, 1.0) < 0.5
    left, right = tf.where(mirror, right, left), tf.where(mirror, left, right)
    boxes = tf.stack([top, left, bottom, right], axis=1)
    images = tf.image.crop_and_resize(images, boxes, tf.range(count), (size, size))

    mean = tf.reduce_mean(images, (1, 2, 3), keepdims=True)
    images = (images - mean) * uniform(4, (1, 1, 1), 0.7, 1.3) + mean
    images = tf.clip_by_value(images * uniform(5, (1, 1, 1), 0.7, 1.3), 0.0, 255.0)

    return mix(images, labels, seed, mixup, cutmix)


def mix(images, labels, seed, mixup, cutmix):
    """Mixes image i of a batch, and its label, with image i counted from the end.

    images float32 (n, s, s, c), labels (n, classes), seed int (2,) -> the same shapes. Sources:
    Zhang et al. 2017 (mixup); Yun et al. 2019 (CutMix).
    """
    if not (mixup or cutmix):
        return images, labels
    count, size = tf.shape(images)[0], images.shape[1]
    whole = count * worker()[1]  # see augment
    lam = tf.ones((count, 1, 1, 1))  # weight of the image itself, per pixel
    if mixup:  # lam ~ Beta(mixup, mixup), from two gamma variables
        seeds = tf.unstack(tf.random.split(seed, 8), num=8)[6:]  # augment uses the others
        one, other = (tf.random.stateless_gamma((whole,), key, mixup) + 1e-8 for key in seeds)
        lam = own_rows(one / (one + other))[:, None, None, None]
    if cutmix:
        uniforms = tf.random.stateless_uniform((4, whole, 1), tf.random.fold_in(seed, 1))
        chance, area, x, y = map(own_rows, tf.unstack(uniforms))
        pixel = (tf.range(size, dtype=tf.float32) + 0.5) / size
        reach = tf.sqrt(area) / 2  # half a side of the rectangle; the border may cut it off
        inside = (tf.abs(pixel - y) < reach)[:, :, None] & (tf.abs(pixel - x) < reach)[:, None, :]
        pasted = 1 - tf.cast(inside, tf.float32)[..., None]
        lam = tf.where(chance[..., None, None] < cutmix, pasted, lam)
    share = tf.reduce_mean(lam, (1, 2))
    labels = share * labels + (1 - share) * labels[::-1]
    return lam * images + (1 - lam) * images[::-1], labels


def copy_paste(images, backgrounds, seed, degrees=35.0, min_scale=0.5, stretch=0.3):
    """Randomly transforms the masked object and pastes it on a background, in half of the images.

    images uint8 (n, s, s, 4), the fourth channel 255 on the object, else 0; backgrounds uint8
    (m, s, s, 3); seed int (2,) -> float32 (n, s, s, 3) in 0-255. The object is rotated by up to
    `degrees`, scaled by `min_scale` to 1.1 and stretched by up to e^`stretch`. Tone, contrast and
    light vary: outlines generalise better than shading (Geirhos et al. 2019).
    """
    whole = tf.shape(images)[0] * worker()[1]  # see augment
    seeds = tf.unstack(tf.random.split(seed, 10), num=10)

    def uniform(key, shape, low, high, dtype="float32"):
        return own_rows(tf.random.stateless_uniform((whole, *shape), seeds[key], low, high, dtype))

    zoom = uniform(0, (), min_scale, 1.1)
    room = (1.25 - zoom)[:, None] / 3  # a small object may be further from the centre
    zooms = zoom[:, None] * tf.exp(uniform(9, (1,), -stretch, stretch) * [1.0, -1.0])
    placed = affine_transform(
        images, uniform(1, (), -degrees, degrees), zooms, uniform(2, (2,), -1.0, 1.0) * room
    )
    # The object's tone and contrast, down to its bare outline.
    object_, mask = placed[..., :3], placed[..., 3:] / 255
    total = tf.reduce_sum(mask, (1, 2), keepdims=True) + 1.0
    tone = tf.reduce_sum(object_ * mask, (1, 2), keepdims=True) / total
    changed = tone + uniform(3, (1, 1, 1), 0.0, 1.6) * (object_ - tone)
    changed *= tf.exp(uniform(4, (1, 1, 1), -0.6, 0.2))
    images = mask * changed + (1 - mask) * object_

    chosen = uniform(5, (), 0, len(backgrounds), "int32")
    keep = uniform(6, (1, 1, 1), 0.0, 1.0) < 0.5
    cut = tf.where(keep, 1.0, mask)
    behind = tf.cast(tf.gather(backgrounds, chosen), "float32")
    images = cut * images + (1 - cut) * behind

    # The light: colour and soft shadows.
    shadows = tf.image.resize(uniform(7, (4, 4, 1), -0.5, 0.5), images.shape[1:3], "bicubic")
    light = uniform(8, (1, 1, 3), -0.25, 0.25) + shadows
    return tf.clip_by_value(images * tf.exp(light), 0.0, 255.0)


def affine_transform(images, degrees, zoom, shift):
    """Rotates, scales and shifts images (n, s, s, c), padded by their edges; returns float32.

    degrees (n,) counter-clockwise; zoom (n, 2), horizontal and vertical; shift (n, 2), right and
    down, in image sides.
    """
    side = images.shape[1]
    angle = degrees[:, None] * np.pi / 180
    # The transform maps each pixel of the output to its place in the input.
    a, c = tf.unstack(tf.cos(angle) / zoom, axis=1)
    d, b = tf.unstack(tf.sin(angle) / zoom, axis=1)
    x, y = tf.unstack((shift + 0.5) * side - 0.5, axis=1)
    middle = (side - 1) / 2
    zeros = tf.zeros_like(x)
    rows = [a, -b, middle - a * x + b * y, d, c, middle - d * x - c * y]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, "float32"),
        transforms=tf.stack([*rows, zeros, zeros], axis=1),
        output_shape=(side, side),
        interpolation="BILINEAR",
        fill_mode="NEAREST",
        fill_value=0.0,
    )


def resize(images, size):
    """Images (n, s, s, c) at `size` x `size`, antialiased."""
    if images.shape[1] == size:
        return images
    return tf.image.resize(images, (size, size), antialias=True)


def steps_per_epoch(count, recipe):
    """Full batches in `count` images; at least one."""
    return max(count // recipe.batch_size, 1)


def train_batches(images, labels, classes, recipe, first_epoch=0, backgrounds=None):
    """Augmented batches of the epochs first_epoch..recipe.epochs-1: (tf.data.Dataset, steps).

    images: uint8 (n, s, s, 3), resized to s = load_size(recipe.image_size), or n file names to
    read on demand; with backgrounds (m, s, s, 3) they are (n, s, s, 4), see copy_paste. A batch
    depends only on (seed, epoch, step), so a resumed run sees the same batches; steps are per
    epoch. On several machines each reads its own rows of every batch.
    """
    count = len(images)
    steps = steps_per_epoch(count, recipe)
    batch_size = min(recipe.batch_size, count)
    one_hot = tf.one_hot(labels, classes)
    size = load_size(recipe.image_size)
    on_disk = np.ndim(images) == 1
    pixels = None if on_disk else tf.constant(images)

    # AutoGraph would take a second to rewrite this code, which needs no rewriting.
    @tf.autograph.experimental.do_not_convert
    def indices(epoch):
        key = tf.stack([recipe.seed, epoch])
        order = tf.random.experimental.stateless_shuffle(tf.range(count), key)
        order = tf.reshape(order[: steps * batch_size], (steps, batch_size))
        return tf.data.Dataset.from_tensor_slices((tf.fill((steps,), epoch), order)).enumerate()

    def read(rows):
        return read_images([images[row] for row in rows], size)[0]

    @tf.autograph.experimental.do_not_convert
    def batch(step, epoch_and_rows):
        epoch, rows = epoch_and_rows
        rows = own_rows(rows)
        if on_disk:
            chosen = tf.numpy_function(read, [rows], tf.uint8)
            chosen = tf.ensure_shape(chosen, (*rows.shape, size, size, 3))
        else:
            chosen = resize(tf.gather(pixels, rows), size)
        seed = tf.stack([recipe.seed + 1000 * epoch, tf.cast(step, tf.int32)])
        if backgrounds is not None:
            chosen = copy_paste(chosen, backgrounds, seed + 1)
        mixing = dict(mixup=recipe.mixup, cutmix=recipe.cutmix)
        targets = tf.gather(one_hot, rows)
        return augment(
            chosen, targets, seed, recipe.image_size, min_crop_scale=recipe.min_crop_scale, **mixing
        )

    epochs = np.arange(first_epoch, recipe.epochs, dtype="int32")
    batches = tf.data.Dataset.from_tensor_slices(epochs).flat_map(indices)
    return without_autotune(batches.map(batch, num_parallel_calls=2).prefetch(4)), steps


def eval_batches(images, labels, classes, size):
    """Batches for validation, resized to `size`, in order and not augmented: a tf.data.Dataset."""
    dataset = tf.data.Dataset.from_tensor_slices((images, tf.one_hot(labels, classes))).batch(64)
    dataset = dataset.map(lambda images, targets: (resize(images, size), targets))
    return without_autotune(dataset.prefetch(2))


def without_autotune(dataset):
    """The same tf.data.Dataset without tf.data's autotuner, which delays its end."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
