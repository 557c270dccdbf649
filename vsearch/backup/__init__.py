"""One file that holds a whole vsearch (database, media, models, training, settings), and the way back from it."""
