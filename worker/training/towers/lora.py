"""Low-rank updates of linear and convolution layers. science: LoRA, Hu et al., ICLR 2022; the peft package does it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from worker.training.errors import TrainingError

ALPHA_PER_RANK = 2.0  # the update is scaled by alpha / rank, so that the rate need not follow the rank


def add_lora(model: nn.Module, names: Sequence[str], *, rank: int, dropout: float) -> None:
    """Put an update of ``rank`` beside each named layer, in place, and freeze everything else.

    The updates start at zero. Raises TrainingError("dependency") when peft is missing.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model  # takes seconds, and only LoRA needs it
    except ImportError as error:
        raise TrainingError(
            "dependency", "LoRA needs the peft package, which is not installed. Run `make install` again."
        ) from error
    config = LoraConfig(
        r=rank, lora_alpha=ALPHA_PER_RANK * rank, lora_dropout=dropout, target_modules=list(names), bias="none"
    )
    inject_adapter_in_model(config, model)


@torch.no_grad()
def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict as it was named without LoRA, with the updates added to the weights. The model stays as it is."""
    deltas: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight"):
            for adapter in module.active_adapters:
                deltas[f"{name}.weight"] = module.get_delta_weight(adapter)
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if "lora_" not in name:
            plain = name.replace(".base_layer.", ".")
            state[plain] = (value + deltas[plain] if plain in deltas else value).detach()
    return state
