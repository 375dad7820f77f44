"""`python -m assetfs.sandbox PROTOCOL`: the sandbox command without the rest of the command line."""

import typer

from assetfs.sandbox.command import sandbox

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(sandbox)

if __name__ == "__main__":
    app()
