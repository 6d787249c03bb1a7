-- Answers of requests that came with an Idempotency-Key, kept for a day: the same request under the
-- same key gets the same answer.
CREATE TABLE idempotency_keys (
    user_id     INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key         TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL, -- SHA-256 of path and body
    answer      TEXT    NOT NULL, -- JSON
    answered_at INTEGER NOT NULL, -- seconds since 1970
    PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (answered_at);
