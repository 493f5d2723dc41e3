"""PyTorch's rows of experiments/speed.py, which starts this with a Python that has PyTorch."""

import sys

import torch
from speed import CLASSES, STEPS, take_turns
from torch import nn


def conv_bn(channels, filters, kernel_size, stride=1):
    """Convolution without a bias, as is usual in PyTorch, then batch normalisation."""
    padding = kernel_size // 2
    convolution = nn.Conv2d(channels, filters, kernel_size, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters))


class Block(nn.Module):
    """Bottleneck block: (n, channels, h, w) -> (n, 4 * width, h/stride, w/stride)."""

    def __init__(self, channels, width, stride, project):
        super().__init__()
        relu = nn.ReLU(inplace=True)
        first, second = conv_bn(channels, width, 1, stride), conv_bn(width, width, 3)
        self.main = nn.Sequential(first, relu, second, relu, conv_bn(width, 4 * width, 1))
        self.shortcut = conv_bn(channels, 4 * width, 1, stride) if project else nn.Identity()

    def forward(self, x):
        return nn.functional.relu(self.main(x) + self.shortcut(x), inplace=True)


def resnet50():
    """The network of helpers/resnet.py: (n, 3, h, w) -> logits (n, CLASSES)."""
    layers = [conv_bn(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1)]
    channels = 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            layers.append(Block(channels, width, 1 if block else stride, project=block == 0))
            channels = 4 * width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def images(size, batch):
    return torch.randn(batch, 3, size, size).to(memory_format=torch.channels_last)


def torch_train(size, batch, bfloat16):
    """As in speed.py: (a function that trains for STEPS steps, the images it processes)."""
    model, x = resnet50(), images(size, batch)
    y = torch.randint(0, CLASSES, (batch,))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.05, fused=True)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = model(x)
        loss = nn.functional.cross_entropy(logits.float(), y, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return lambda: [step() for _ in range(STEPS)], STEPS * batch


def torch_predict(size, batch, bfloat16):
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    model, x = resnet50().eval().to(dtype), images(size, batch).to(dtype)

    def run():
        with torch.inference_mode():
            return [model(x).float().softmax(-1).numpy() for _ in range(STEPS)]

    return run, STEPS * batch


if __name__ == "__main__":
    _, name, size, batch, precision, folder = sys.argv[1:]
    run = {"torch_train": torch_train, "torch_predict": torch_predict}[name]
    take_turns(*run(int(size), int(batch), bfloat16="bfloat16" in precision))
