"""The embedded servers: the five protocols on loopback, over SQLite and a folder of blobs.

A sandbox is the mount's adversary, not its friend: it answers as the real server was seen to answer, quirks included,
and it can be told to fail. It shares no code with the mount. `launch.py` starts one, `store.py` is the room that all
protocols keep their things in, `instrument.py` counts requests and injects faults around any of them.
"""
