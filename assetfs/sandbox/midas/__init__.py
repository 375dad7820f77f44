"""The Midas Server sandbox: version 3.4.2 with the module `api`, as it answered.

`app.py` is the HTTP side; `envelope.py` the two ways it writes an answer and the way it reads parameters; the RPC
methods are in modules named after what they are about; `uploads.py` and `downloads.py` move bytes; `rest.py` and
`pages.py` are the two other faces. `seeds/` makes the content. Everything that the real server does oddly is done
oddly here; the oddities that a patched server might lack are switches (`context.py`).
"""
