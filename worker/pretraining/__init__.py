"""How the bundled weights were made: run by hand, imported by nothing of the product. Model cards name the commands."""
