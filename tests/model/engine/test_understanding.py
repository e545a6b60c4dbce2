"""What is covered: the heads of the understanding adapter that see where something stands."""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from janus_med.adapters.understanding import PlaceReader


def test_a_reader_of_places_that_has_learnt_nothing_changes_no_logit() -> None:
    torch.manual_seed(0)
    assert not PlaceReader(8, 16, 3)(torch.randn(2, 16, 8)).any()


def test_a_reader_of_places_tells_where_a_token_stands_which_a_mean_cannot() -> None:
    torch.manual_seed(0)
    reader = PlaceReader(8, 16, 1)
    places = torch.randint(0, 16, (256,))
    tokens = torch.zeros(256, 16, 8)
    tokens[torch.arange(256), places, 0] = 4.0
    wanted = (places < 8).float()[:, None]
    optimiser = torch.optim.Adam(reader.parameters(), 1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(reader(tokens), wanted).backward()
        optimiser.step()
    right = ((reader.eval()(tokens) > 0).float() == wanted).float().mean()
    pooled = tokens.mean(dim=1)
    assert torch.equal(pooled[wanted[:, 0] == 1].unique(), pooled[wanted[:, 0] == 0].unique())
    assert right > 0.95
