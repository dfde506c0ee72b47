"""What every storage is given: names, and tables that are what they say."""

from __future__ import annotations

import pytest

import campaignkit as ck
from campaignkit.backends import storage
from campaignkit.backends.storage import TABLES, Table


def test_names_are_loaded_on_first_use():
    """Every public name can be had, is listed once and in order, and a wrong one is an error."""
    assert all(getattr(storage, name) is not None for name in dir(storage))
    assert dir(storage) == sorted(storage.__all__)
    assert sorted(storage.__all__) == sorted(storage._MODULE_OF)
    assert [*storage._MODULE_OF] == sorted(storage._MODULE_OF)
    with pytest.raises(AttributeError, match="has no attribute 'Storehouse'"):
        _ = storage.Storehouse


@pytest.mark.parametrize("wrong", [{"key": ["b"]}, {"key": ["c"]}, {"key": ["a"], "indexes": {"c": ["a", "c"]}}])
def test_a_table_is_ordered_by_its_columns(wrong):
    """A key or an index of a column that is not there, or that has no order, is refused."""
    with pytest.raises(ck.InvalidValue, match=r"^table t has no text or int column '[bc]': correct its key or index$"):
        Table("t", {"a": "text", "c": "json"}, **wrong)


def test_an_order_ends_with_the_key():
    """Whatever rows are ordered by, the key decides ties, and no column comes twice."""
    table = Table("t", {"a": "text", "b": "int", "c": "int"}, key=["a", "b"], indexes={"late": ["b", "c"]})

    assert table.order() == ("a", "b")
    assert table.order("late") == ("b", "c", "a")


def test_tables_have_one_name_each():
    """No two tables share a name."""
    assert len({table.name for table in TABLES}) == len(TABLES)
