"""``python -m janus_med``: the commands of the model package alone."""

from __future__ import annotations

from janus_med.cli import build_cli

if __name__ == "__main__":
    build_cli()(prog_name="python -m janus_med")
