"""The check of a whole data set before training: `check` reads, `report` tells, `pictures` shows."""
