"""`python -m assetfs` is the command line."""

from assetfs.cli.main import run

run()
