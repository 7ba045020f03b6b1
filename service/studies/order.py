"""In which order the cells of a grid are trained: the whole map coarsely, then ever finer."""


def levels(count: int) -> tuple[int, ...]:
    """Return at which halving of an axis each of its points comes in.

    Both ends are there from the start, at level 0; level n adds the middle of every gap that level
    n - 1 has left.

    Args:
        count: Points of the axis, at least 1.
    """
    found = [0] * count
    gaps = [(0, count - 1)]
    level = 0
    while gaps:
        level += 1
        halves = []
        for start, end in gaps:
            middle = (start + end) // 2
            if middle > start:
                found[middle] = level
                halves += [(start, middle), (middle, end)]
        gaps = halves
    return tuple(found)


def coarse_to_fine(rows: int, columns: int) -> list[tuple[int, int]]:
    """Order the cells of a grid so that every beginning of the list covers all of it evenly.

    First the corners; then, level by level, the cells that make a grid of half the spacing: the
    middles of what was open first, and of those on the edges the inner ones.

    Args:
        rows: Learning rates, at least 1.
        columns: Weight decays, at least 1.

    Returns:
        Every (row, column) once.
    """
    of_row, of_column = levels(rows), levels(columns)

    def place(cell: tuple[int, int]) -> tuple[int, int, int, int]:
        row, column = cell
        both = of_row[row], of_column[column]
        return (max(both), -min(both), row, column)

    return sorted(((i, j) for i in range(rows) for j in range(columns)), key=place)
