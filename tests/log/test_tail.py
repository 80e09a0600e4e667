"""The ring of the last lines."""

from fluxlit.log.tail import Tail


def test_it_keeps_the_last_lines() -> None:
    """The oldest make room; numbers go on."""
    tail = Tail(lines=3)
    for number in range(5):
        tail.put(b"%d" % number)
    assert tail.next == 5
    assert tail.since(0) == ([b"2", b"3", b"4"], 5)
    assert tail.since(4) == ([b"4"], 5)
    assert tail.since(5) == ([], 5)
    assert tail.since(9) == ([], 5)


def test_it_is_bounded_in_bytes() -> None:
    """One line is kept, however long it is."""
    tail = Tail(size=10)
    tail.put(b"a" * 8)
    tail.put(b"b" * 8)
    assert tail.since(0)[0] == [b"b" * 8]
    tail.put(b"c" * 100)
    assert tail.since(0)[0] == [b"c" * 100]
