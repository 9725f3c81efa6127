"""The notes that are there."""

NOTES = [
    {
        "title": f"Note {number}",
        "text": "Lorem ipsum dolor sit amet",
        "tags": ["a", "b"],
        "priority": number % 6,
    }
    for number in range(100)
]
