"""What the command doctor does: facts about a machine, and checks of what this library needs from it."""
