-- Personal API keys: of a key only its hash is here. What ends a user's tokens (a new password, the
-- operator's change of the account) ends the keys in the same transaction, whoever does it.
CREATE TABLE api_keys (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    prefix       TEXT    NOT NULL,        -- the key's beginning, to know it again
    key_hash     TEXT    NOT NULL UNIQUE, -- SHA-256 in hex: 256 random bits need no slow hash
    created_at   TEXT    NOT NULL,
    last_used_at TEXT                     -- to the minute
) STRICT;
CREATE INDEX api_keys_by_user ON api_keys (user_id, id);

CREATE TRIGGER users_tokens_ended AFTER UPDATE OF token_version ON users
WHEN old.token_version <> new.token_version
BEGIN
    DELETE FROM api_keys WHERE user_id = new.id;
END;
