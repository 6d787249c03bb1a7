-- Deadlines of a configuration's calls, in ms; 0: the server's setting.
ALTER TABLE user_apis ADD COLUMN connect_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user_apis ADD COLUMN first_byte_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user_apis ADD COLUMN between_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user_apis ADD COLUMN total_ms INTEGER NOT NULL DEFAULT 0;
