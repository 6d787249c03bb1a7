CREATE TABLE mcp_servers (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  approve TEXT NOT NULL,
  header TEXT NOT NULL,
  token TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE UNIQUE INDEX mcp_servers_by_name ON mcp_servers (user_id, name);
