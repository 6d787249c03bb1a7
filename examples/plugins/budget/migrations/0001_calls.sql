CREATE TABLE budget_calls (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  model_name TEXT NOT NULL,
  month TEXT NOT NULL,
  status TEXT NOT NULL,
  tokens INTEGER NOT NULL
);
CREATE INDEX budget_calls_by_user ON budget_calls (user_id, month, tokens);
