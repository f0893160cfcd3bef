"""What runs on another machine: mlx sends itself there, and calls it over SSH.

Only the standard library is imported here, and what of mlx needs no more: the machine's own Python runs it
before there is an environment for the project.
"""
