"""The SAMS sandbox: the wire protocol of Superdesk's asset store, both applications over one store.

`app.py` is the HTTP side of the API and of the file server, which listen on two ports; `routes.py` says what answers
where. `sets.py`, `assets.py`, `locks.py` and `renditions.py` change things, `content.py` finds bytes, `search.py` is
as much of Elasticsearch as the protocol needs, over SQLite. `documents.py` keeps the two views of an asset that the
real server has: the record, and the index, which forgets nothing. `seeds/` makes the content. Everything that the
real server does oddly is done oddly here.
"""
