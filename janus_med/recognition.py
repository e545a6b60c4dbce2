"""Which preset a Hugging Face Janus configuration has the shapes of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from janus_med.errors import ModelUnavailable
from janus_med.presets import PRESETS

if TYPE_CHECKING:
    from transformers import JanusConfig

    from janus_med.presets import Preset


def parse_config(content: dict[str, Any], source: str) -> JanusConfig:
    """Make a configuration of a parsed ``config.json``; what the file leaves out has the class's default.

    Parameters
    ----------
    content
        Already searched for keys that run code.
    source
        Named in errors.

    Raises
    ------
    ModelUnavailable
        When it is no configuration of a Hugging Face Janus over Llama.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import JanusConfig

    if content.get("model_type") != "janus":
        raise ModelUnavailable(_explain_model_type(content.get("model_type"), source))
    try:
        config = JanusConfig.from_dict(content)
    except (ValueError, TypeError, KeyError, AttributeError, StrictDataclassError) as error:
        raise ModelUnavailable(f"{source}: not a Janus configuration ({type(error).__name__})") from error
    if config.text_config.model_type != "llama":
        raise ModelUnavailable(
            f"{source}: the language model is {config.text_config.model_type!r}, not llama"
        )
    return config


def _explain_model_type(model_type: Any, source: str) -> str:
    if model_type == "multi_modality":
        return (
            f"{source}: DeepSeek's original layout; convert it first: "
            "janus-med model convert FOLDER NEW_FOLDER"
        )
    return f"{source}: model_type is {model_type!r}; a Hugging Face Janus folder says 'janus'"


def read_shapes(config: JanusConfig) -> dict[str, float]:
    """Return what a preset fixes of a configuration, under the names of `Preset`'s attributes."""
    vision, text = config.vision_config, config.text_config
    return {
        "image_size": vision.image_size,
        "patch_size": vision.patch_size,
        "vision_width": vision.hidden_size,
        "vision_layers": vision.num_hidden_layers,
        "vision_heads": vision.num_attention_heads,
        "vision_mlp_ratio": vision.mlp_ratio,
        "text_width": text.hidden_size,
        "text_mlp_width": text.intermediate_size,
        "text_layers": text.num_hidden_layers,
        "text_heads": text.num_attention_heads,
    }


def recognise_preset(config: JanusConfig, source: str) -> Preset:
    """Return the preset whose shapes a configuration has.

    Parameters
    ----------
    config
        As loaded. Its vocabulary counts only for a preset that keeps DeepSeek's.
    source
        Named in errors.

    Raises
    ------
    ModelUnavailable
        When no preset fits; names the nearest and where it differs.
    """
    differences = {name: _compare(config, preset) for name, preset in PRESETS.items()}
    for name, found in differences.items():
        if not found:
            return PRESETS[name]
    nearest = min(differences, key=lambda name: len(differences[name]))
    raise ModelUnavailable(
        f"{source}: the shapes fit no preset; nearest is {nearest}, but {'; '.join(differences[nearest])}"
    )


def _compare(config: JanusConfig, preset: Preset) -> list[str]:
    expected = {name: getattr(preset, name) for name in read_shapes(config)}
    actual = read_shapes(config)
    expected |= {"text_key_value_heads": preset.text_heads, "projection_dim": preset.text_width}
    actual |= {
        "text_key_value_heads": config.text_config.num_key_value_heads,
        "projection_dim": config.vision_config.projection_dim,
    }
    if preset.image_token_id is not None:
        expected["vocab_size"], actual["vocab_size"] = preset.vocab_size, config.text_config.vocab_size
    return [
        f"{name} is {actual[name]}, not {expected[name]}"
        for name in expected
        if actual[name] != expected[name]
    ]
