"""The tables: one database for users, sessions and events, and one for each project, as on the real server.

`seq` is the order of creation. Names are unique among active siblings only, whatever their case. What hangs below an
entity goes with it; versions outlive their task; links go with either end.
"""

from __future__ import annotations

SERVER = """
CREATE TABLE IF NOT EXISTS project (
    name TEXT PRIMARY KEY, folded TEXT NOT NULL UNIQUE, code TEXT NOT NULL, label TEXT, active INTEGER NOT NULL,
    library INTEGER NOT NULL, anatomy TEXT NOT NULL, attrib TEXT NOT NULL, data TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS user (
    name TEXT PRIMARY KEY, active INTEGER NOT NULL DEFAULT 1, password TEXT, attrib TEXT NOT NULL, data TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS api_key (digest TEXT PRIMARY KEY, user TEXT NOT NULL, expires REAL);
CREATE TABLE IF NOT EXISTS session (token TEXT PRIMARY KEY, user TEXT NOT NULL, ended INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS site (id TEXT PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS root (
    project TEXT NOT NULL, user TEXT NOT NULL, site TEXT NOT NULL, paths TEXT NOT NULL,
    PRIMARY KEY (project, user, site));
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, topic TEXT NOT NULL, project TEXT, user TEXT,
    document TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
"""

_ENTITY = """
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, status TEXT NOT NULL,
    tags TEXT NOT NULL DEFAULT '[]', attrib TEXT NOT NULL DEFAULT '{}', data TEXT NOT NULL DEFAULT '{}',
    active INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    created_by TEXT, updated_by TEXT"""

PROJECT = f"""
CREATE TABLE IF NOT EXISTS thumbnail (
    id TEXT PRIMARY KEY, mime TEXT NOT NULL, digest TEXT NOT NULL, small TEXT NOT NULL, created_at TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS folder ({_ENTITY},
    name TEXT NOT NULL, label TEXT, folder_type TEXT NOT NULL,
    parent_id TEXT REFERENCES folder (id) ON DELETE CASCADE,
    thumbnail_id TEXT REFERENCES thumbnail (id) ON DELETE SET NULL,
    path TEXT NOT NULL, effective TEXT NOT NULL DEFAULT '{{}}');
CREATE UNIQUE INDEX IF NOT EXISTS folder_name ON folder (parent_id, lower(name)) WHERE active AND parent_id NOTNULL;
CREATE UNIQUE INDEX IF NOT EXISTS folder_top ON folder (lower(name)) WHERE active AND parent_id IS NULL;
CREATE INDEX IF NOT EXISTS folder_parent ON folder (parent_id);
CREATE INDEX IF NOT EXISTS folder_path ON folder (path);

CREATE TABLE IF NOT EXISTS task ({_ENTITY},
    name TEXT NOT NULL, label TEXT, task_type TEXT NOT NULL, assignees TEXT NOT NULL DEFAULT '[]',
    folder_id TEXT NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
    thumbnail_id TEXT REFERENCES thumbnail (id) ON DELETE SET NULL);
CREATE UNIQUE INDEX IF NOT EXISTS task_name ON task (folder_id, lower(name)) WHERE active;
CREATE INDEX IF NOT EXISTS task_folder ON task (folder_id);

CREATE TABLE IF NOT EXISTS product ({_ENTITY},
    name TEXT NOT NULL, product_type TEXT NOT NULL, product_base_type TEXT,
    folder_id TEXT NOT NULL REFERENCES folder (id) ON DELETE CASCADE);
CREATE UNIQUE INDEX IF NOT EXISTS product_name ON product (folder_id, lower(name)) WHERE active;
CREATE INDEX IF NOT EXISTS product_folder ON product (folder_id);

CREATE TABLE IF NOT EXISTS version ({_ENTITY},
    version INTEGER NOT NULL, author TEXT,
    product_id TEXT NOT NULL REFERENCES product (id) ON DELETE CASCADE,
    task_id TEXT REFERENCES task (id) ON DELETE SET NULL,
    thumbnail_id TEXT REFERENCES thumbnail (id) ON DELETE SET NULL);
CREATE UNIQUE INDEX IF NOT EXISTS version_number ON version (product_id, version) WHERE active;
CREATE INDEX IF NOT EXISTS version_product ON version (product_id, version);
CREATE INDEX IF NOT EXISTS version_task ON version (task_id);

CREATE TABLE IF NOT EXISTS representation ({_ENTITY},
    name TEXT NOT NULL, files TEXT NOT NULL DEFAULT '[]', traits TEXT,
    version_id TEXT NOT NULL REFERENCES version (id) ON DELETE CASCADE);
CREATE UNIQUE INDEX IF NOT EXISTS representation_name ON representation (version_id, lower(name)) WHERE active;
CREATE INDEX IF NOT EXISTS representation_version ON representation (version_id);

CREATE TABLE IF NOT EXISTS workfile ({_ENTITY},
    path TEXT NOT NULL UNIQUE,
    task_id TEXT NOT NULL REFERENCES task (id) ON DELETE CASCADE,
    thumbnail_id TEXT REFERENCES thumbnail (id) ON DELETE SET NULL);
CREATE INDEX IF NOT EXISTS workfile_task ON workfile (task_id);

CREATE TABLE IF NOT EXISTS link (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT, link_type TEXT NOT NULL,
    input_type TEXT NOT NULL, input_id TEXT NOT NULL, output_type TEXT NOT NULL, output_id TEXT NOT NULL,
    author TEXT, data TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS link_input ON link (input_id);
CREATE INDEX IF NOT EXISTS link_output ON link (output_id);

CREATE TABLE IF NOT EXISTS activity (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, body TEXT NOT NULL,
    tags TEXT NOT NULL, data TEXT NOT NULL, author TEXT, entity_type TEXT NOT NULL, entity_id TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS activity_entity ON activity (entity_id);
CREATE TABLE IF NOT EXISTS file (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, mime TEXT NOT NULL, size INTEGER NOT NULL, digest TEXT, author TEXT,
    activity_id TEXT REFERENCES activity (id) ON DELETE SET NULL, started REAL NOT NULL, changed REAL NOT NULL);
CREATE INDEX IF NOT EXISTS file_activity ON file (activity_id);

CREATE TABLE IF NOT EXISTS list (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, label TEXT NOT NULL UNIQUE,
    entity_type TEXT NOT NULL, list_type TEXT NOT NULL, folder_id TEXT, owner TEXT, active INTEGER NOT NULL,
    tags TEXT NOT NULL, access TEXT NOT NULL, attrib TEXT NOT NULL, data TEXT NOT NULL, template TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL, created_by TEXT, updated_by TEXT);
CREATE TABLE IF NOT EXISTS list_item (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, entity_id TEXT NOT NULL, position INTEGER NOT NULL,
    list_id TEXT NOT NULL REFERENCES list (id) ON DELETE CASCADE, label TEXT, folder_path TEXT NOT NULL,
    attrib TEXT NOT NULL, data TEXT NOT NULL, tags TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    created_by TEXT, updated_by TEXT);
CREATE INDEX IF NOT EXISTS list_item_list ON list_item (list_id, position);
""" + "".join(
    f"""
CREATE TRIGGER IF NOT EXISTS {kind}_unlinked AFTER DELETE ON {kind} BEGIN
    DELETE FROM link WHERE input_id = OLD.id OR output_id = OLD.id;
    DELETE FROM list_item WHERE entity_id = OLD.id;
END;
"""
    for kind in ("folder", "task", "product", "version", "representation", "workfile")
)
