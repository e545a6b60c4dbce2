"""The semantic encoder: image in, tokens out, frozen by default and provably so."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import JanusForConditionalGeneration


class SemanticEncoder(Protocol):
    """Anything that turns pixels into tokens; a modality plug-in asks for no more."""

    def encode(self, pixel_values: Tensor) -> Tensor:
        """Return (B, N, D) tokens of (B, 3, S, S) pixels in [-1, 1]."""
        ...


class JanusVisionEncoder:
    """The vision tower of a Janus, kept in evaluation mode and without gradient.

    Parameters
    ----------
    janus
        Its ``vision_model`` is used in place, not copied.
    """

    def __init__(self, janus: JanusForConditionalGeneration) -> None:
        self._vision = janus.model.vision_model

    def freeze(self) -> None:
        """Switch off gradients and dropout; `encode` holds it there even if someone calls ``train()`` on the
        model.
        """
        self._vision.requires_grad_(False)
        self._vision.eval()

    @torch.no_grad()
    def encode(self, pixel_values: Tensor) -> Tensor:
        """Return the (B, N, D) tokens after the final norm; D is the width of the encoder."""
        self._vision.eval()
        tokens: Tensor = self._vision(pixel_values=pixel_values).last_hidden_state
        return tokens

    def digest(self) -> str:
        """Return the SHA-256 of all weights of the encoder."""
        return digest_tensors(self._vision.state_dict())


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, shapes, types and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tuple(tensor.shape)}|{tensor.dtype}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def encode_with_gradient(vision: nn.Module, pixel_values: Tensor) -> Tensor:
    """Return the tokens with gradient: only for training an encoder from scratch."""
    tokens: Tensor = vision(pixel_values=pixel_values).last_hidden_state
    return tokens
