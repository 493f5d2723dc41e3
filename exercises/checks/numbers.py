"""Checks of numbers and shapes: each common mistake leads to its own sentence."""

import numpy as np

from exercises.checks.verdict import VALUE_TODO, NotDone, Wrong, check


def as_number(answer):
    """The learner's number as a float; "71,552" and arrays of one number are fine as well."""
    if answer is None or answer is ...:
        raise NotDone(VALUE_TODO)
    try:
        if isinstance(answer, str):
            answer = answer.replace(",", "").replace("_", "").replace(" ", "")
        value = float(np.asarray(answer, dtype="float64").reshape(()))
    except (TypeError, ValueError):
        raise Wrong(f"The answer should be one number. Received: {short(answer)}") from None
    if not np.isfinite(value):
        raise Wrong(f"The answer should be a finite number. Received: {short(answer)}")
    return value


def short(answer):
    """The answer as code, cut to 60 characters."""
    text = " ".join(repr(answer).split())
    return text if len(text) <= 60 else text[:57] + "..."


def compare(answer, expected, common_mistakes, hint, tolerance=0):
    """None if the number is right; the sentence of the mistake that leads to it; else a hint.

    common_mistakes: {sentence: the wrong number, or numbers, that this mistake leads to}.
    A difference up to tolerance * number counts as none.
    """
    value = as_number(answer)

    def near(numbers):
        numbers = np.array(numbers, "float64")
        return np.any(abs(value - numbers) <= max(tolerance, 1e-9) * abs(numbers))

    if near(expected):
        return None
    found = [sentence for sentence, numbers in common_mistakes.items() if near(numbers)]
    if found:
        return " Or else: ".join(found[:2])
    return f"{value:,.10g} is too {'small' if value < expected else 'large'}. {hint}"


@check("kernels, biases, and four vectors for each of the three BatchNormalizations.")
def parameters_of_identity_block(answer, filters=(64, 64, 256), kernel_size=3):
    """All parameters of an identity block whose input has f3 channels."""
    f1, f2, f3 = filters
    k = kernel_size
    kernels = f3 * f1 + k * k * f1 * f2 + f2 * f3
    biases = f1 + f2 + f3
    expected = kernels + 5 * biases
    common_mistakes = {
        "The biases are missing: each convolution has one a filter.": expected - biases,
        "The BatchNormalizations are missing: each holds four vectors, as long as its convolution "
        "has filters.": kernels + biases,
        "Biases and BatchNormalizations are missing; this counts the kernels only.": kernels,
        "Each BatchNormalization was counted with two vectors. It holds four: gamma and beta, and "
        "the moving mean and variance, which are not trained.": kernels + 3 * biases,
        "Biases are missing, and each BatchNormalization has four vectors, not two.": (
            kernels + 2 * biases
        ),
        "The middle kernel was counted as 1x1: it has kernel_size * kernel_size "
        "positions.": expected - (k * k - 1) * f1 * f2,
        "The middle kernel was counted with kernel_size positions; it has kernel_size "
        "squared.": expected - (k * k - k) * f1 * f2,
        "All three kernels were counted as kernel_size x kernel_size; the first and the third are "
        "1x1.": expected + (k * k - 1) * (f3 * f1 + f2 * f3),
        "The first kernel was counted with f1 input channels. The block's input has f3.": (
            expected - f3 * f1 + f1 * f1
        ),
        "A projection was counted: that is the convolutional block's. The identity block's "
        "shortcut has no parameters.": expected + f3 * f3 + 5 * f3,
        "The third convolution is missing, with its BatchNormalization.": (
            expected - f2 * f3 - 5 * f3
        ),
        "The third BatchNormalization is missing: it has 4 * f3 parameters.": expected - 4 * f3,
    }
    hint = "Write one line a layer: kernel, bias, then 4 vectors."
    return compare(answer, expected, common_mistakes, hint)


@check("a 1x1 kernel, its bias, and the four vectors of its BatchNormalization.")
def parameters_of_shortcut(answer, channels=256, filters=(128, 128, 512)):
    """What the projection of a convolutional block adds to the parameters."""
    f1, _, f3 = filters
    kernel = channels * f3
    expected = kernel + 5 * f3
    common_mistakes = {
        "The bias is missing: the convolution has one a filter.": kernel + 4 * f3,
        "The BatchNormalization is missing: it holds four vectors of f3 numbers.": kernel + f3,
        "Bias and BatchNormalization are missing; this is the kernel alone.": kernel,
        "The BatchNormalization was counted with two vectors. It holds four: gamma and beta, and "
        "the moving mean and variance, which are not trained.": kernel + 3 * f3,
        "The kernel was counted as 3x3; the shortcut's is 1x1.": expected + 8 * kernel,
        "The shortcut was given f1 filters; to be added it needs f3.": channels * f1 + 5 * f1,
        "The shortcut was given f1 input channels. It starts at the block's input.": (
            f1 * f3 + 5 * f3
        ),
        "The shortcut was given f3 input channels. It starts at the block's input.": (
            f3 * f3 + 5 * f3
        ),
        "The kernel was divided by the strides: they save work, not parameters.": (
            kernel / 4 + 5 * f3
        ),
    }
    hint = "Count a 1x1 kernel, a bias, then four vectors."
    return compare(answer, expected, common_mistakes, hint)


@check("height and width are divided by the strides, the channels become f3.")
def output_shape(answer, input_shape=(1, 56, 56, 256), filters=(128, 128, 512), strides=2):
    """The output shape of a convolutional block: (n, h/strides, w/strides, f3)."""
    if answer is None or answer is ... or (np.ndim(answer) == 1 and ... in tuple(answer)):
        raise NotDone(VALUE_TODO)
    try:
        shape = tuple(None if size is None else int(size) for size in answer)
    except (TypeError, ValueError):
        received = f"Received: {short(answer)}"
        raise Wrong(f"A shape is four whole numbers in brackets. {received}") from None
    n, h, w, c = input_shape
    f1, _, f3 = filters
    small = (-(-h // strides), -(-w // strides))
    halved = {(n, h // 2, w // 2, f3): "Nothing is halved here: the stride is 1."}
    strided = {
        (n, h, w, c): "That is the input's shape: strides and filters change it.",
        (n, h, w, f3): "The strides are forgotten: they divide height and width.",
        (n, *(-(-s // strides) for s in small), f3): "The strides are counted twice: branch and "
        "shortcut lie side by side, each divides once.",
        (n, small[0], w, f3): "The strides divide the height only; they divide the width as well.",
        (n, h // strides**2, w // strides**2, f3): "The strides are counted twice.",
    }
    wrong = (halved if strides == 1 else strided) | {
        (n, *small, f1): "The channels are f1; the block ends with f3 of them.",
        (n, *small, c): "The channels are the input's; the block ends with f3 of them.",
        (n, *small, 2 * f3): "The channels are twice f3: adding the shortcut stacks none.",
        (n, *small, c + f3): "The channels of shortcut and branch are added up: the values are "
        "added, the number of channels stays f3.",
        (n, f3, *small): "The channels come last: (n, h, w, channels).",
        small + (f3,): "The first size is missing: the number of pictures, n.",
    }
    expected = (n, *small, f3)
    if shape == expected or shape == (None, *small, f3):
        return None
    if len(shape) != 4 and shape not in wrong:
        return "A shape here has four sizes: (n, h, w, channels)."
    return wrong.get(shape, "Follow one path, layer by layer: (n, h, w, channels) after each.")


def positions(input_shape, strides):
    """Places of a kernel with "same" padding: output height times output width."""
    h, w = input_shape[:2]
    return -(-h // strides) * -(-w // strides)


@check("output height * output width * kernel area * channels in * filters.")
def multiply_adds_of_convolution(
    answer, input_shape=(56, 56, 256), filters=128, kernel_size=1, strides=2
):
    """Multiply-adds of one convolution with "same" padding; input_shape = (h, w, channels)."""
    h, w, c = input_shape
    kernel = kernel_size**2 * c * filters
    places = positions(input_shape, strides)
    expected = places * kernel
    halved = {"Nothing is halved here: the stride is 1.": positions(input_shape, 2) * kernel}
    common_mistakes = (halved if strides == 1 else {}) | {
        "The stride is forgotten: the kernel stops at every strides-th place only.": h * w * kernel,
        "The strides were counted in one direction; they thin out height and width.": (
            h * w * kernel / strides
        ),
        "Multiplications and additions were counted apart. Here a multiply-add counts as one.": (
            2 * expected
        ),
        "That is the number of weights. Each is used once at every output position.": kernel,
        "That is the number of parameters. Each weight is used once at every output "
        "position.": kernel + filters,
        "The kernel's area is forgotten: kernel_size * kernel_size.": expected / kernel_size**2,
        "The kernel counts with its area, kernel_size * kernel_size, not its side.": (
            expected / kernel_size
        ),
        "The input channels are forgotten: a kernel reads all of them.": expected / c,
        "The filters are forgotten: each of them is worked out at every position.": (
            expected / filters
        ),
        "The biases were counted: here they are left out.": expected + places * filters,
    }
    hint = "Multiply output positions by the kernel's weights."
    return compare(answer, expected, common_mistakes, hint)


@check("every convolution at its own output resolution, the shortcut's among them.")
def multiply_adds_of_block(
    answer, input_shape=(56, 56, 256), filters=(128, 128, 512), kernel_size=3, strides=2
):
    """Multiply-adds of a convolutional block; strides=None means an identity block."""
    h, w, c = input_shape
    f1, f2, f3 = filters
    area = kernel_size**2
    first, middle, third = c * f1, area * f1 * f2, f2 * f3
    projection = 0 if strides is None else c * f3
    places = positions(input_shape, strides or 1)
    branch = first + middle + third
    expected = places * (branch + projection)
    common_mistakes = {
        "The stride is forgotten: count output positions, not the input's.": (
            h * w * (branch + projection)
        ),
        "The shortcut is forgotten: its 1x1 convolution works as well.": places * branch,
        "The stride and the shortcut are forgotten.": h * w * branch,
        "The first convolution was counted at the input's resolution; the stride is in it already "
        '(in "v1.5" it is not).': expected + (h * w - places) * first,
        "The shortcut's convolution was counted at the input's resolution; it has the "
        "strides.": expected + (h * w - places) * projection,
        "Both convolutions that read x were counted at the input's resolution; count the "
        "output's.": expected + (h * w - places) * (first + projection),
        "The strides were counted in one direction; they thin out height and width.": (
            h * w * (branch + projection) / (strides or 1)
        ),
        "Multiplications and additions were counted apart. Here a multiply-add counts as one.": (
            2 * expected
        ),
        "That is the number of weights. Each is used once at every output position.": (
            branch + projection
        ),
        "The middle kernel was counted as 1x1: it has kernel_size * kernel_size positions.": (
            places * (first + f1 * f2 + third + projection)
        ),
        "The middle kernel counts with its area, kernel_size squared, not its side.": (
            places * (first + kernel_size * f1 * f2 + third + projection)
        ),
        "All kernels were counted with kernel_size; only the middle one is larger than 1x1.": (
            places * (area * (first + third) + middle + projection)
        ),
        "A projection was counted; an identity block has none.": places * (branch + c * f3),
        "The third convolution is missing.": expected - places * third,
    }
    hint = "Write one line a convolution, the shortcut's too."
    return compare(answer, expected, common_mistakes, hint)


@check("each layer adds kernel_size - 1, times the strides before it.")
def receptive_field(answer, kernel_sizes=(3, 3), strides=(1, 1)):
    """Side, in input pixels, of what one output pixel of these layers in a row can see."""
    field, plain, late, step = 1, 1, 1, 1
    for kernel, stride in zip(kernel_sizes, strides, strict=True):
        field += (kernel - 1) * step
        plain += kernel - 1
        step *= stride
        late += (kernel - 1) * step
    common_mistakes = {
        "The strides are forgotten: after a stride of 2, a step in the picture is two "
        "pixels.": plain,
        "A layer's own stride was used too early: it spreads the layers after it.": late,
        "The kernel sizes were added up. They overlap: each adds kernel_size - 1.": (
            sum(kernel_sizes)
        ),
        "The kernel sizes were multiplied. A second layer looks a little further, not at "
        "copies.": np.prod(kernel_sizes),
        "That is the last layer's own kernel, in its input. Trace it back to the "
        "picture.": kernel_sizes[-1],
        "That is the area; the side is asked for.": field**2,
        "The middle pixel is missing: start from 1.": field - 1,
    }
    hint = "Start from one pixel and go back, layer by layer."
    return compare(answer, field, common_mistakes, hint)


@check("each block multiplies by 1 + slope, never by the slope alone.")
def gradient_through_blocks(answer, slope=0.1, blocks=10):
    """d output / d input of residual blocks in a row, where each branch has dF/dx = slope."""
    common_mistakes = {
        "The shortcut alone gives 1; the branches add their slope.": 1,
        "That is the plain network: slope ** blocks. A shortcut adds 1 to every factor.": (
            slope**blocks
        ),
        "The 1 belongs to each block, inside the product: (1 + slope) for every block.": (
            1 + slope**blocks
        ),
        "The factors were added up. The chain rule multiplies them.": blocks * (1 + slope),
        "The slopes were added up. The chain rule multiplies (1 + slope).": 1 + blocks * slope,
        "That is the sum of the slopes. The chain rule multiplies (1 + slope).": blocks * slope,
        "That is one block; there are more in the row.": 1 + slope,
    }
    hint = "Write the factor of one block, then of two."
    return compare(answer, (1 + slope) ** blocks, common_mistakes, hint, tolerance=0.01)


@check("of strides * strides pixels only one is read, by branch and shortcut alike.")
def unread_pixels(answer, strides=2):
    """Share of input pixels that cannot change a convolutional block's output."""
    expected = 1 - 1 / strides**2
    common_mistakes = {
        "That is the share of pixels that are read; the others are asked for.": 1 / strides**2,
        "That holds in one direction; strides skip rows and columns.": 1 - 1 / strides,
        'Every pixel would be read with the stride in the 3x3 convolution ("v1.5"), or at '
        "strides=1. Here both 1x1 convolutions skip.": 0,
        "Give a share between 0 and 1, not per cent.": 100 * expected,
    }
    hint = "Count the positions where the gradient is 0 in all channels, and divide by all."
    return compare(answer, expected, common_mistakes, hint, tolerance=0.001)


@check("one convolution, sixteen blocks of three, one dense layer.")
def weighted_layers(answer):
    """The layers that the name ResNet-50 counts. Source: Table 1."""
    common_mistakes = {
        "54 counts the four projections; they lie beside the path and are left out.": 54,
        "53 is every convolution. Leave the four projections out, count the dense layer.": 53,
        "49 is the convolutions on the path; the dense layer at the end has weights too.": 49,
        "48 is the convolutions of the sixteen blocks. The first one and the dense layer "
        "count.": 48,
        "51 counts a pooling layer as well; it has no weights.": 51,
        "52 counts both pooling layers as well; they have no weights.": 52,
        "107 counts BatchNormalization as well (and the projections); it is not counted.": 107,
        "106 counts BatchNormalization and the projections, but not the dense layer.": 106,
        "99 counts BatchNormalization as well; it is not counted.": 99,
        "16 is the number of blocks; each has three convolutions on its path.": 16,
        "17 counts each block as one layer; each has three convolutions on its path.": 17,
        "18 counts each block as one layer; each has three convolutions on its path.": 18,
    }
    hint = "Count convolutions along the path, without shortcuts, and the dense layer."
    return compare(answer, 50, common_mistakes, hint)


# Channels that are normalised: the filters of the 53 convolutions, summed. One bias each as well.
NORMALISED = 26_560
WITHOUT_HEAD = 23_587_712


@check("the moving mean and the moving variance of every BatchNormalization.")
def non_trainable_parameters(answer):
    """The parameters of ResNet50 that gradient descent leaves alone."""
    projected = 256 + 512 + 1024 + 2048  # channels of the four projections
    everywhere = 3 * 256 + 4 * 512 + 6 * 1024 + 3 * 2048  # if each block had one
    common_mistakes = {
        "The projections are missing: the first block of each stage has one, with f3 channels.": (
            2 * (NORMALISED - projected)
        ),
        "The stem is missing: its convolution makes 64 channels.": 2 * (NORMALISED - 64),
        "Every block was given a projection; only the first block of a stage has one.": (
            2 * (NORMALISED - projected + everywhere)
        ),
        "That is all four vectors of every BatchNormalization; gamma and beta are trained.": (
            4 * NORMALISED
        ),
        "That is one vector of every BatchNormalization; two are not trained.": NORMALISED,
        "Nothing is frozen here, but each BatchNormalization keeps two vectors that are measured, "
        "not trained.": 0,
        "That is the number of BatchNormalization layers; count what they hold.": 53,
        "Those are the trainable parameters (6 classes); the others are asked for.": (
            WITHOUT_HEAD + 6 * 2049 - 2 * NORMALISED
        ),
        "Those are the trainable parameters (101 classes); the others are asked for.": (
            WITHOUT_HEAD + 101 * 2049 - 2 * NORMALISED
        ),
    }
    hint = "Which vectors of a BatchNormalization does no gradient reach? Sum their lengths."
    return compare(answer, 2 * NORMALISED, common_mistakes, hint)


@check("the blocks and the first layers, and 2,049 for each class.")
def parameters_of_resnet50(answer, classes=6):
    """All parameters of ResNet50 with this many classes, trainable or not."""
    expected = WITHOUT_HEAD + 2049 * classes
    six = WITHOUT_HEAD + 2049 * 6
    from_six = {
        "The bias is missing: one number for each new class.": expected - (classes - 6),
        "The six classes are counted twice: only classes - 6 are new.": six + 2049 * classes,
        "That is the network for six classes.": six,
    }
    common_mistakes = (from_six if classes != 6 else {}) | {
        "The bias of the last layer is missing: one number a class.": expected - classes,
        "The last layer is missing: this is the network without its head.": WITHOUT_HEAD,
        "Those are the trainable ones; the moving means and variances count too.": (
            expected - 2 * NORMALISED
        ),
        "BatchNormalization is missing: four vectors after each convolution.": (
            expected - 4 * NORMALISED
        ),
        "The convolutions' biases are missing.": expected - NORMALISED,
        "Biases and BatchNormalization are missing.": expected - 5 * NORMALISED,
        "That is the network with 1,000 classes; look at the last layer.": WITHOUT_HEAD + 2_049_000,
        "The last layer was given 2,048 more parameters: its bias has one number a class.": (
            expected + 2048
        ),
    }
    hint = "Sum the stages, then add the last layer's: 2048 inputs, one output a class."
    return compare(answer, expected, common_mistakes, hint)


@check("2,048 weights and one bias for each class.")
def parameters_of_head(answer, classes=6):
    """The parameters of the last, dense layer."""
    common_mistakes = {
        "The bias is missing: one number a class.": 2048 * classes,
        "That is the bias alone.": classes,
        "The bias has one number a class, not one in all.": 2048 * classes + 1,
        "That is a head on the flattened 2x2 map; the average over the map leaves 2,048 numbers.": (
            4 * 2048 * classes + classes
        ),
        "The bias was counted once an input; it has one number a class.": 2048 * classes + 2048,
    }
    hint = "2048 inputs, one output a class, and a bias."
    return compare(answer, 2049 * classes, common_mistakes, hint)
