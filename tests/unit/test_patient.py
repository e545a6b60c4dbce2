"""How a patient is named on the screen, and when two descriptions are of one person."""

from __future__ import annotations

import pytest

from app.domain.study import Patient


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Doe^Jane^Mary^Dr.", "Doe, Jane Mary Dr."),
        ("Doe", "Doe"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou"),
        ("=山田^太郎=やまだ^たろう", "山田, 太郎"),
        ("^^^=^=やまだ^たろう", "やまだ, たろう"),
        ("Hong^Gildong=洪^吉洞=홍^길동", "Hong, Gildong"),
        ("", ""),
        ("==", ""),
    ],
)
def test_name_is_read_from_the_first_group_that_says_something(name: str, readable: str):
    assert Patient("P1", "", name, "", "").readable_name == readable
