CREATE TABLE digest_days (
  day TEXT PRIMARY KEY,
  users INTEGER NOT NULL,
  sessions INTEGER NOT NULL
);
