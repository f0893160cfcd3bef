"""The project's own network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import pandas as pd


class Net(torch.nn.Module):
    """A network with a state of its own beside the weights."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(inputs, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.1)
        )
        self.head = torch.nn.Linear(8, 1)
        self.register_buffer("scale", torch.ones(1))
        self.words = {"alpha", "beta", "gamma", "delta"}
        self.steps = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        return self.head(self.body(x)) * self.scale


def trained(net: torch.nn.Module, rows: pd.DataFrame) -> torch.nn.Module:
    """Train a network on rows of numbers."""
    x = torch.from_numpy(rows.drop(columns="y").to_numpy(dtype="float32"))
    y = torch.from_numpy(rows[["y"]].to_numpy(dtype="float32"))
    optimizer = torch.optim.Adam(net.parameters())
    for _ in range(10):
        optimizer.zero_grad()
        ((net(x) - y) ** 2).mean().backward()
        optimizer.step()
    return net
