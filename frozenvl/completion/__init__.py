"""Completion of the command line in bash, zsh and fish, as scripts that start no Python."""
