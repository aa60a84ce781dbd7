"""Makes foreign text fit for messages and logs."""


def one_line(text: str, limit: int) -> str:
    """Return `text` on one line of printable characters, at most `limit` bytes of UTF-8."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * limit]).split())
    encoded = line.encode()
    if len(encoded) <= limit:
        return line
    return encoded[: limit - len("…".encode())].decode(errors="ignore") + "…"
