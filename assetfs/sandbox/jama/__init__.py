"""The Jama sandbox: the wire protocol of the media repository Jama, in three of its generations.

`app.py` is the HTTP side; `rpc.py` the envelope; the methods are in modules named after what they are about;
`parts.py`, `uploads.py` and `downloads.py` move bytes; `serialise.py` writes what a listing holds; `classic.py` is
the API of the oldest clients. `seeds/` makes the content. Everything that the real server does oddly is done oddly
here.
"""
