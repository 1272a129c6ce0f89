"""The rules of Go: what is legal, what it looks like, who won."""
