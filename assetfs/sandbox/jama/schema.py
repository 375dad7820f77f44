"""The tables of the Jama sandbox.

Ids are never used twice (AUTOINCREMENT), one sequence per table, so a collection and a resource can share one. Times
are microseconds since the epoch. `UNIQUE (title, project, parent)` of a collection counts deleted rows too: a quirk
that clients meet. `size` is stored and never sent.
"""

SCHEMA = """
CREATE TABLE IF NOT EXISTS user (
  id INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT NOT NULL UNIQUE, first_name TEXT NOT NULL DEFAULT '',
  last_name TEXT NOT NULL DEFAULT '', email TEXT NOT NULL DEFAULT '', password TEXT,
  is_staff INTEGER NOT NULL DEFAULT 0, is_superuser INTEGER NOT NULL DEFAULT 0, is_active INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS api_key (key TEXT PRIMARY KEY, user_id INTEGER NOT NULL, active INTEGER NOT NULL DEFAULT 1);

CREATE TABLE IF NOT EXISTS project (
  id INTEGER PRIMARY KEY AUTOINCREMENT, label TEXT NOT NULL UNIQUE, description TEXT NOT NULL DEFAULT '',
  use_exiftool INTEGER NOT NULL DEFAULT 0, root_id INTEGER);
CREATE TABLE IF NOT EXISTS role (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL, label TEXT NOT NULL, UNIQUE (project_id, label));
CREATE TABLE IF NOT EXISTS permission (
  id INTEGER PRIMARY KEY AUTOINCREMENT, role_id INTEGER NOT NULL, object_class TEXT NOT NULL, object_pk INTEGER,
  object_create INTEGER NOT NULL, object_read INTEGER NOT NULL, object_update INTEGER NOT NULL,
  object_delete INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS access (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL, user_id INTEGER NOT NULL, role_id INTEGER NOT NULL,
  UNIQUE (project_id, user_id, role_id));
CREATE TABLE IF NOT EXISTS property (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  UNIQUE (project_id, key));

CREATE TABLE IF NOT EXISTS collection (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL, parent_id INTEGER, title TEXT NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, deleted_at INTEGER,
  public_access INTEGER NOT NULL DEFAULT 0, published_at INTEGER, representative_id INTEGER,
  ark TEXT, UNIQUE (title, project_id, parent_id));
CREATE INDEX IF NOT EXISTS collection_parent ON collection (parent_id, deleted_at);
CREATE INDEX IF NOT EXISTS collection_project ON collection (project_id, deleted_at);

CREATE TABLE IF NOT EXISTS resource (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL, title TEXT NOT NULL, original_name TEXT NOT NULL,
  mime TEXT NOT NULL, hash TEXT NOT NULL, size INTEGER NOT NULL, width INTEGER, height INTEGER,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, deleted_at INTEGER, ark TEXT, UNIQUE (project_id, hash));
CREATE INDEX IF NOT EXISTS resource_hash ON resource (hash);
CREATE INDEX IF NOT EXISTS resource_updated ON resource (project_id, updated_at);

CREATE TABLE IF NOT EXISTS membership (
  id INTEGER PRIMARY KEY AUTOINCREMENT, collection_id INTEGER NOT NULL, resource_id INTEGER NOT NULL,
  rank INTEGER NOT NULL DEFAULT 0, UNIQUE (collection_id, resource_id));
CREATE INDEX IF NOT EXISTS membership_resource ON membership (resource_id, collection_id);

CREATE TABLE IF NOT EXISTS metadataset (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL, title TEXT NOT NULL, UNIQUE (project_id, title));
CREATE TABLE IF NOT EXISTS metadata (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL, set_id INTEGER NOT NULL, title TEXT NOT NULL,
  rank INTEGER NOT NULL DEFAULT 0, expose INTEGER NOT NULL DEFAULT 1, type_id INTEGER NOT NULL DEFAULT 1,
  UNIQUE (set_id, title));
CREATE TABLE IF NOT EXISTS resource_value (
  id INTEGER PRIMARY KEY AUTOINCREMENT, owner_id INTEGER NOT NULL, metadata_id INTEGER NOT NULL, value TEXT NOT NULL,
  UNIQUE (metadata_id, owner_id, value));
CREATE INDEX IF NOT EXISTS resource_value_owner ON resource_value (owner_id);
CREATE TABLE IF NOT EXISTS collection_value (
  id INTEGER PRIMARY KEY AUTOINCREMENT, owner_id INTEGER NOT NULL, metadata_id INTEGER NOT NULL, value TEXT NOT NULL,
  UNIQUE (metadata_id, owner_id, value));
CREATE INDEX IF NOT EXISTS collection_value_owner ON collection_value (owner_id);

CREATE TABLE IF NOT EXISTS annotation (
  id INTEGER PRIMARY KEY AUTOINCREMENT, resource_id INTEGER NOT NULL, owner_id INTEGER NOT NULL, data TEXT NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, public INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS annotation_resource ON annotation (resource_id);

CREATE TABLE IF NOT EXISTS tag (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL, uid TEXT NOT NULL, label TEXT, ark TEXT,
  UNIQUE (project_id, uid));
CREATE TABLE IF NOT EXISTS resource_tag (
  owner_id INTEGER NOT NULL, tag_id INTEGER NOT NULL, PRIMARY KEY (owner_id, tag_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS collection_tag (
  owner_id INTEGER NOT NULL, tag_id INTEGER NOT NULL, PRIMARY KEY (owner_id, tag_id)) WITHOUT ROWID;
"""
