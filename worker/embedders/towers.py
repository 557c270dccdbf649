"""The bundled model's towers: a small residual image network and a MiniLM-shaped text network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from transformers import BertConfig, BertModel

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
WIDTHS, BLOCKS = (64, 128, 256, 512), (2, 2, 2, 2)  # of the bundled image tower


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; the second norm starts at zero, so the block starts as identity."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        nn.init.zeros_(self.norm2.weight)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.shortcut(x) + self.norm2(self.conv2(y)))


class ResidualNet(nn.Module):
    """(B, 3, S, S) in [0, 1] -> (B, C, s, s) feature map, s = S / 32. Any S from 64 up."""

    def __init__(self, widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 7, 4, 3, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
        )
        layers: list[nn.Module] = []
        channels = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for i in range(count):
                layers.append(ResidualBlock(channels, width, 2 if i == 0 and stage > 0 else 1))
                channels = width
        self.layers = nn.Sequential(*layers)
        self.channels = channels
        self.middle_channels = widths[-2]
        self._middle = sum(blocks[:-1])  # layers before the last stage
        self.register_buffer("mean", torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGE_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x)[1]

    def maps(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The maps before and after the last stage: (B, C', S / 16, S / 16) and (B, C, S / 32, S / 32)."""
        middle = self.layers[: self._middle](self.stem((x - self.mean) / self.std))  # type: ignore[operator]
        return middle, self.layers[self._middle :](middle)


def _fused(conv: nn.Module, norm: nn.Module) -> nn.Conv2d:
    if not isinstance(conv, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        raise TypeError(f"cannot fold {type(norm).__name__} into {type(conv).__name__}")
    return fuse_conv_bn_eval(conv, norm)


def fuse_norms(net: ResidualNet) -> None:
    """Fold every batch norm into the convolution before it, in place: fewer passes over memory at inference."""
    stem = net.stem
    stem[0], stem[1] = _fused(stem[0], stem[1]), nn.Identity()
    for block in net.layers:
        if not isinstance(block, ResidualBlock):
            raise TypeError(f"{type(block).__name__} is no block of this network")
        block.conv1, block.norm1 = _fused(block.conv1, block.norm1), nn.Identity()  # type: ignore[assignment]
        block.conv2, block.norm2 = _fused(block.conv2, block.norm2), nn.Identity()  # type: ignore[assignment]
        if isinstance(block.shortcut, nn.Sequential):
            block.shortcut[1], block.shortcut[2] = _fused(block.shortcut[1], block.shortcut[2]), nn.Identity()


class ImageTower(nn.Module):
    """(B, 3, S, S) in [0, 1] -> (B, dim), not normalised."""

    def __init__(self, dim: int, widths: tuple[int, ...] = WIDTHS, blocks: tuple[int, ...] = BLOCKS) -> None:
        super().__init__()
        self.net = ResidualNet(widths, blocks)
        self.project = nn.Linear(self.net.channels, dim)

    def pooled(self, x: Tensor) -> Tensor:
        return self.net(x).mean((2, 3))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.pooled(x))  # type: ignore[no-any-return]


def mean_of_tokens(hidden: Tensor, mask: Tensor) -> Tensor:
    """(B, L, H), (B, L) -> (B, H): the mean over real tokens, as the MiniLM sentence encoders pool."""
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-6)


class TextHead(nn.Module):
    """(B, 384) unit sentence vectors -> (B, dim): a linear map plus a zero-started hidden layer."""

    def __init__(self, inputs: int, dim: int, hidden: int = 1024) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, dim)
        self.up = nn.Linear(inputs, hidden)
        self.down = nn.Linear(hidden, dim)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.down(F.gelu(self.up(x)))  # type: ignore[no-any-return]


class TextTower(nn.Module):
    """(B, L) token ids and mask -> (B, dim), not normalised."""

    def __init__(self, config: BertConfig, dim: int) -> None:
        super().__init__()
        self.bert = BertModel(config, add_pooling_layer=False)
        self.head = TextHead(config.hidden_size, dim)

    def sentence(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return F.normalize(mean_of_tokens(hidden, attention_mask), dim=-1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.head(self.sentence(input_ids, attention_mask))  # type: ignore[no-any-return]
