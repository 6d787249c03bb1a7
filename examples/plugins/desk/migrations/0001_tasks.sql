CREATE TABLE desk_tasks (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  title TEXT NOT NULL
);
CREATE INDEX desk_tasks_by_user ON desk_tasks (user_id, id);
