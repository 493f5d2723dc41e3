"""The training of train.py in PyTorch, for one GPU: an epoch in less than a second.

    python experiments/train_on_gpu.py pack FLAGS --out FOLDER     # photographs -> FOLDER/train
    python experiments/train_on_gpu.py train FLAGS --out FOLDER    # needs torch, no TensorFlow
    python experiments/train_on_gpu.py finish FLAGS --out FOLDER   # weights, scores, card

FLAGS are those of train.py, the same for all three. "pack" copies the split's training photographs
(and those for validation) to FOLDER, which can then be moved to another machine. "train" writes
FOLDER/weights.npz, history.csv and, with --val-per-class, validation.npz. "finish" scores the
network on the test images and writes what train.py writes.

Network, recipe and order of operations are train.py's; the random numbers are others. A step is one
CUDA graph: started kernel by kernel, it would take several times as long at these image sizes.
"""

import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import train as command
from experiments.command_line import user_errors
from helpers import UserError, data
from helpers.recipe import default_momentum, load_size

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
FILTERS = ((64, 64, 256), (128, 128, 512), (256, 256, 1024), (512, 512, 2048))


# --- the network: helpers/resnet.py in PyTorch --------------------------------------------------


def network(architecture, classes):
    """The network as a torch.nn.ModuleDict of layers under Keras's names; see `forward`.

    Its weights are drawn as Keras draws them. Biases before batch normalisation, which have no
    effect, are left out.
    """
    import torch
    from torch import nn

    layers = nn.ModuleDict()

    def conv_bn(name, inputs, outputs, side=1, strides=1, padding=0):
        conv = nn.Conv2d(inputs, outputs, side, strides, padding, bias=False)
        nn.init.xavier_uniform_(conv.weight)
        layers[f"{name}_conv"] = conv
        layers[f"{name}_bn"] = nn.BatchNorm2d(outputs, eps=1.001e-5, momentum=0.1)

    conv_bn("conv1", 3, 64, side=7, strides=2, padding=3)
    channels = 64
    for stage, blocks in enumerate(BLOCKS[architecture]):
        f1, f2, f3 = FILTERS[stage]
        for block in range(1, blocks + 1):
            name = f"conv{stage + 2}_block{block}"
            strides = 2 if block == 1 and stage > 0 else 1
            if block == 1:
                conv_bn(f"{name}_0", channels, f3, strides=strides)
            conv_bn(f"{name}_1", channels, f1, strides=strides)
            conv_bn(f"{name}_2", f1, f2, side=3, padding=1)
            conv_bn(f"{name}_3", f2, f3)
            channels = f3
    layers["predictions"] = nn.Linear(channels, classes)
    nn.init.xavier_uniform_(layers["predictions"].weight)
    nn.init.zeros_(layers["predictions"].bias)
    return layers.to(memory_format=torch.channels_last)


def forward(layers, images):
    """Images (n, 3, h, w) in 0-255 -> logits (n, classes)."""
    import torch
    import torch.nn.functional as F

    def conv_bn(x, name):
        return layers[f"{name}_bn"](layers[f"{name}_conv"](x))

    x = F.relu(conv_bn(images / 127.5 - 1, "conv1"))
    x = F.max_pool2d(x, 3, 2, 1)
    for name in [name[:-7] for name in layers if name.endswith("_1_conv")]:
        shortcut = conv_bn(x, f"{name}_0") if f"{name}_0_conv" in layers else x
        y = F.relu(conv_bn(x, f"{name}_1"))
        y = F.relu(conv_bn(y, f"{name}_2"))
        x = F.relu(shortcut + conv_bn(y, f"{name}_3"))
    features = x.mean((2, 3)).float()
    with torch.autocast(images.device.type, enabled=False):  # the classifier is float32
        return layers["predictions"](features)


def keras_weights(layers):
    """The weights as Keras has them: {"layer/variable": float16 array}."""
    weights = {}
    for name, layer in layers.items():
        own = {
            key: value.detach().float().cpu().numpy() for key, value in layer.state_dict().items()
        }
        if name.endswith("_bn"):
            weights[f"{name}/gamma"], weights[f"{name}/beta"] = own["weight"], own["bias"]
            weights[f"{name}/moving_mean"] = own["running_mean"]
            weights[f"{name}/moving_variance"] = own["running_var"]
        elif name.endswith("_conv"):
            weights[f"{name}/kernel"] = own["weight"].transpose(2, 3, 1, 0)
            weights[f"{name}/bias"] = np.zeros(len(own["weight"]))
        else:
            weights[f"{name}/kernel"], weights[f"{name}/bias"] = own["weight"].T, own["bias"]
    return {name: value.astype("float16") for name, value in weights.items()}


# --- augmentation: helpers/batches.py in PyTorch ------------------------------------------------


def crop_and_resize(images, boxes, size):
    """As tf.image.crop_and_resize: images (n, s, s, 3), boxes (n, 4) -> (n, size, size, 3).

    boxes: top, left, bottom, right in fractions of s - 1.
    """
    import torch

    side = images.shape[1]

    def weights(low, high):  # bilinear, (n, size, side)
        places = torch.linspace(0, 1, size, device=images.device)[None, :]
        places = (low[:, None] + places * (high - low)[:, None]) * (side - 1)
        pixels = torch.arange(side, device=images.device)
        return (1 - (places[:, :, None] - pixels).abs()).clamp(min=0)

    rows, columns = weights(boxes[:, 0], boxes[:, 2]), weights(boxes[:, 1], boxes[:, 3])
    images = torch.einsum("noh,nhwc->nowc", rows, images)
    return torch.einsum("npw,nowc->nopc", columns, images)


def augment(images, labels, size, recipe):
    """As batches.augment for many batches at once.

    images uint8 (steps, n, s, s, 3), labels one-hot (steps, n, classes) -> float32 (steps, n, size,
    size, 3) in 0-255 and (steps, n, classes).
    """
    import torch

    steps, n = labels.shape[:2]
    count = steps * n
    images = images.reshape(count, *images.shape[2:]).float()

    def uniform(shape, low, high):
        return low + (high - low) * torch.rand((count, *shape), device=images.device)

    stretch = torch.exp(uniform((1,), -0.15, 0.15))
    sides = uniform((1,), recipe.min_crop_scale, 1.0)
    sides = (sides * torch.cat([stretch, 1 / stretch], 1)).clamp(max=1)
    corner = uniform((2,), 0.0, 1.0) * (1 - sides)
    top, left, bottom, right = torch.cat([corner, corner + sides], 1).unbind(1)
    mirror = uniform((), 0.0, 1.0) < 0.5
    left, right = torch.where(mirror, right, left), torch.where(mirror, left, right)
    images = crop_and_resize(images, torch.stack([top, left, bottom, right], 1), size)

    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images - mean) * uniform((1, 1, 1), 0.7, 1.3) + mean
    images = (images * uniform((1, 1, 1), 0.7, 1.3)).clamp(0, 255)
    return mix(images.reshape(steps, n, size, size, 3), labels, recipe)


def mix(images, labels, recipe):
    """As batches.mix: mixes image i of each batch, and its label, with image i from the end."""
    import torch

    steps, n, size = images.shape[:3]
    lam = torch.ones((steps, n, 1, 1), device=images.device)  # the image's own weight, per pixel
    if recipe.mixup:
        alpha = torch.tensor(recipe.mixup, device=images.device)
        lam = torch.distributions.Beta(alpha, alpha).sample((steps, n, 1, 1))
    if recipe.cutmix:
        chance, area, x, y = torch.rand((4, steps, n, 1), device=images.device)
        pixel = (torch.arange(size, device=images.device) + 0.5) / size
        reach = area.sqrt() / 2  # half a side of the rectangle; the border may cut it off
        inside = ((pixel - y).abs() < reach)[..., :, None] & ((pixel - x).abs() < reach)[
            ..., None, :
        ]
        lam = torch.where(chance[..., None] < recipe.cutmix, 1 - inside.float(), lam)
    lam = lam.expand(steps, n, size, size)
    share = lam.mean((2, 3))[..., None]
    labels = share * labels + (1 - share) * labels.flip(1)
    lam = lam[..., None]
    return lam * images + (1 - lam) * images.flip(1), labels


# --- the run ------------------------------------------------------------------------------------


def build(recipe, classes, device):
    """(layers, optimizer) of a recipe, as training.build_model and build_optimizer make them."""
    import torch

    torch.manual_seed(recipe.seed)
    torch.backends.cudnn.benchmark = True
    layers = network(recipe.architecture, classes).to(device)
    if recipe.zero_init_residual:
        for name in layers:
            if name.endswith("_3_bn"):
                torch.nn.init.zeros_(layers[name].weight)
    kernels = [p for p in layers.parameters() if p.ndim > 1]
    others = [p for p in layers.parameters() if p.ndim == 1]
    groups = [{"params": kernels}, {"params": others, "weight_decay": 0.0}]
    rate = torch.tensor(0.0, device=device)  # changed in place, since graphs keep its address
    on_gpu = device == "cuda"
    optimizer = torch.optim.AdamW(
        groups, rate, eps=1e-7, weight_decay=recipe.weight_decay, fused=on_gpu, capturable=on_gpu
    )
    return layers, optimizer


def learning_rates(recipe, steps):
    """The learning rate of each step, (epochs, steps): see training.learning_rate_schedule."""
    total = recipe.epochs * steps
    warm_up = min(5 * steps, max(total // 10, 1))
    step = np.arange(total)
    decay = 0.5 * (1 + np.cos(np.pi * (step - warm_up) / max(total - warm_up, 1)))
    return (recipe.learning_rate * np.where(step < warm_up, step / warm_up, decay)).reshape(
        -1, steps
    )


def step_function(layers, optimizer, images, labels, recipe):
    """One training step on the tensors `images` and `labels`: (function, totals).

    The function adds the step's loss and accuracy to `totals`, a tensor of two numbers.
    """
    import torch
    import torch.nn.functional as F

    totals = torch.zeros(2, device=images.device)
    mixed = recipe.precision != "float32"
    # Without the cache of converted weights, which a CUDA graph would keep for ever.
    how = dict(device_type=images.device.type, dtype=torch.bfloat16, cache_enabled=False)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(**how, enabled=mixed):
            answers = forward(layers, images)
        loss = F.cross_entropy(answers, labels, label_smoothing=recipe.label_smoothing)
        loss.backward()
        optimizer.step()
        totals[0] += loss.detach()
        totals[1] += (answers.argmax(1) == labels.argmax(1)).float().mean()

    return step, totals


def captured(step, layers, optimizer, totals):
    """The step as a CUDA graph. Leaves weights, optimizer and totals as they were."""
    import torch

    def state():
        moments = [v for values in optimizer.state.values() for v in values.values()]
        return [*layers.state_dict().values(), *moments, totals]

    before = None
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        if optimizer.state:
            before = [value.clone() for value in state()]
        weights = [value.clone() for value in layers.state_dict().values()]
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        step()
    with torch.no_grad():
        if before is None:  # the optimizer had no state yet: zeros
            for value in state()[len(weights) :]:
                value.zero_()
            before = weights
        for value, earlier in zip(state(), before, strict=False):
            value.copy_(earlier)
    return graph.replay


def train(pixels, labels, classes, recipe, report=20):
    """Trains by a recipe: (layers, history). pixels: uint8 (n, s, s, 3), s = 1.25 image_size."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    batch_size = min(recipe.batch_size, len(pixels))
    steps = max(len(pixels) // batch_size, 1)
    layers, optimizer = build(recipe, classes, device)
    kept = recipe.batch_norm_momentum  # of the moving averages; PyTorch counts what is replaced
    for name, layer in layers.items():
        if name.endswith("_bn"):
            layer.momentum = 1 - (default_momentum(steps) if kept is None else kept)
    rates = torch.tensor(learning_rates(recipe, steps), dtype=torch.float32, device=device)
    targets = torch.eye(classes, device=device)[torch.tensor(labels, device=device)]
    history, now = [], None
    for epoch in range(recipe.epochs):
        start = time.perf_counter()
        part = recipe.at_epoch(epoch)
        if now != part.image_size:  # a part of the run begins
            now = part.image_size
            images = resize(pixels, load_size(now), device)
            shape = (batch_size, 3, now, now)
            static = torch.zeros(shape, device=device).to(memory_format=torch.channels_last)
            static_labels = torch.zeros((batch_size, classes), device=device)
            step, totals = step_function(layers, optimizer, static, static_labels, recipe)
            if device == "cuda":
                step = captured(step, layers, optimizer, totals)
        order = torch.randperm(len(pixels), device=device)[: steps * batch_size]
        order = order.reshape(steps, batch_size)
        epoch_images, epoch_labels = augment(images[order], targets[order], now, part)
        epoch_images = epoch_images.permute(0, 1, 4, 2, 3)
        for number in range(steps):
            static.copy_(epoch_images[number])
            static_labels.copy_(epoch_labels[number])
            for group in optimizer.param_groups:
                group["lr"].copy_(rates[epoch, number])
            step()
        loss, accuracy = (totals / steps).tolist()
        totals.zero_()
        row = {"epoch": epoch + 1, "accuracy": accuracy, "loss": loss}
        row |= {"learning_rate": float(rates[epoch, -1])}
        row |= {"seconds": round(time.perf_counter() - start, 3)}
        row["precision"] = "float32" if recipe.precision == "float32" else "mixed_bfloat16"
        history.append(row)
        if epoch % report == report - 1:
            print(row, flush=True)
    return layers, history


def resize(pixels, size, device):
    """uint8 images (n, s, s, 3) as float32 at `size` x `size`, antialiased: on `device`."""
    import torch
    import torch.nn.functional as F

    images = torch.tensor(pixels, device=device).permute(0, 3, 1, 2)
    parts = [
        F.interpolate(p.float(), (size, size), mode="bilinear", antialias=True)
        if p.shape[2] != size
        else p.float()
        for p in images.split(256)
    ]
    return torch.cat(parts).permute(0, 2, 3, 1).contiguous()


def predict(layers, pixels, size):
    """As models.predict_probabilities, at `size` pixels: uint8 (n, s, s, 3) -> (n, classes)."""
    import torch

    device = layers["predictions"].weight.device.type
    views = [resize(pixels, size, device)]
    edge = (pixels.shape[1] - size) // 2
    if edge:
        views.append(torch.tensor(pixels[:, edge : edge + size, edge : edge + size], device=device))
    views += [view.flip(2) for view in views]
    layers.eval()
    with torch.no_grad():
        answers = [
            torch.cat(
                [
                    forward(layers, some.float().permute(0, 3, 1, 2)).softmax(1)
                    for some in view.split(256)
                ]
            )
            for view in views
        ]
    layers.train()
    return torch.stack(answers).mean(0).cpu().numpy()


# --- the three commands -------------------------------------------------------------------------


def pack(args, recipe):
    """Copies the split's training photographs to --out/train, those for validation to --out/val."""
    images, parts, folder = command.read_data(args, recipe)
    for name, rows in zip(("train", "val"), parts, strict=False):
        for path in images.paths[rows]:
            target = Path(args.out) / name / Path(path).relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def train_packed(args, recipe):
    """Trains on --out/train and writes weights, history and the answers for --out/val."""
    out = Path(args.out)
    images = data.load_images(out / "train", load_size(recipe.image_size))
    layers, history = train(images.pixels, images.labels, len(images.class_names), recipe)
    np.savez(out / "weights.npz", **keras_weights(layers))
    (out / "run.json").write_text(json.dumps(about()))
    pd.DataFrame(history).to_csv(out / "history.csv", index=False)
    if recipe.val_per_class:
        held_out = data.load_images(out / "val", load_size(recipe.image_size))
        probabilities = predict(layers, held_out.pixels, recipe.image_size)
        np.savez(out / "validation.npz", labels=held_out.labels, probabilities=probabilities)
        accuracy = (probabilities.argmax(1) == held_out.labels).mean()
        print(f"validation {accuracy:.4f}", flush=True)


def about():
    """The machine and the version of PyTorch, for the card: a dict."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    trained_by = f"experiments/train_on_gpu.py, PyTorch {torch.__version__}"
    return {"machine": gpu, "trained_by": trained_by}


def finish(args, recipe):
    """Scores the weights of --out on the test images and writes card and weights there."""
    from helpers import splits, training

    out = Path(args.out)
    images, parts, folder = command.read_data(args, recipe)
    history = pd.read_csv(out / "history.csv").to_dict("records")
    splits.write_split(out / "split.csv", folder, images, parts)
    settings = command.settings_of(recipe, images, {})
    recipe = replace(recipe, precision=history[0]["precision"])
    model = training.build_model(recipe, len(images.class_names))
    with np.load(out / "weights.npz") as weights:
        for variable in model.weights:
            variable.assign(weights[variable.path])
    minutes = round(sum(row["seconds"] for row in history) / 60, 1)
    card = command.describe(args, recipe, images.class_names, settings, {}, minutes)
    card |= json.loads((out / "run.json").read_text())
    command.finish(model, card, images, parts[2], out, history)


COMMANDS = {"pack": pack, "train": train_packed, "finish": finish}


def main():
    what, *flags = sys.argv[1:] or [""]
    with user_errors():
        args, recipe = command.parse_arguments(flags)
        if what not in COMMANDS or not args.out:
            raise UserError("give pack, train or finish, then --out and the flags of train.py.")
        started = recipe.init_from or recipe.imagenet
        if args.data == "signs" or recipe.optimizer != "adamw" or started:
            raise UserError("it trains with AdamW from random weights only: use train.py.")
        if recipe.precision == "mixed_float16":
            raise UserError("it trains in mixed_bfloat16 or float32: use train.py for float16.")
        COMMANDS[what](args, recipe)


if __name__ == "__main__":
    main()
