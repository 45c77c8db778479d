"""Recipes: what a file does not say about itself, as data.

A recipe is a TOML file: for which datasets, paths and formats it is, and the options with which the reader reads
such a file. It holds no code and no expressions. Those of this folder are for published datasets; those that a
user saves lie in the user's own folder and come before them.
"""

from sparc_fuse_core.recipes.schema import Recipe
from sparc_fuse_core.recipes.shelf import fitting, folder, load, recipes, save

__all__ = ["Recipe", "fitting", "folder", "load", "recipes", "save"]
