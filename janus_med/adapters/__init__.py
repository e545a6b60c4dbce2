"""The trainable parts around the frozen base model; they live in ``adapters.safetensors``."""
