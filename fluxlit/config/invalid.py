"""What a parser says of a value it refuses."""


class InvalidValue(ValueError):  # noqa: N818 - it names the value, not a mishap
    """A value that a setting cannot take: what was expected instead, and how to get there.

    Never leaves this package; the loader turns it into a Problem that also names the place.
    """

    def __init__(self, expected: str, hint: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.hint = hint
