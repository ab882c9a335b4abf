"""Calls that workers do may be done again with the same arguments, so they leave these as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recommendation.workers.runner import add_to_copy, ended


def changing(value: Any, *_: Any) -> Any:
    value += 1.0
    return value


@pytest.mark.parametrize(("call", "more"), [(add_to_copy, ()), (ended, ((),))])
def test_a_block_that_is_added_to_stays_as_it_was(call: Any, more: tuple[Any, ...]) -> None:
    block = np.zeros(3, np.float32)
    assert call(changing, block, range(3), *more).tolist() == [1.0] * 3
    assert block.tolist() == [0.0] * 3
