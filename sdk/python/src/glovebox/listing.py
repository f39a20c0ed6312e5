"""Lists that show themselves as tables."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar, overload

import pandas as pd

from glovebox.html import page, table

Item = TypeVar("Item", covariant=True)


class Listing(Sequence[Item], Generic[Item]):
    """An immutable sequence with a table for notebooks; ``to_pandas`` gives the same as a data frame."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._items = tuple(items)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        """By place."""
        return self._items[index]

    def __len__(self) -> int:
        """How many."""
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        """In order."""
        return iter(self._items)

    def __repr__(self) -> str:
        """The table as text."""
        with pd.option_context("display.max_colwidth", 60, "display.width", 160):
            return self.to_pandas().to_string(index=False) if self._items else "(none)"

    def to_pandas(self) -> pd.DataFrame:
        """The list as a data frame, a row an item."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        frame = self.to_pandas()
        rows = frame.astype(object).where(frame.notna(), "").itertuples(index=False)
        return page("", table([str(column) for column in frame.columns], rows))
