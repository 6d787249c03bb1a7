-- What lua/account/login_throttle.lua counts in memory, written once a minute so that a restart does
-- not begin at nothing. `key` is a hash of who was asked for and from where; no name and no address
-- is stored.
CREATE TABLE login_attempts (
    key      TEXT    NOT NULL PRIMARY KEY,
    account  TEXT    NOT NULL,           -- hash of the name; '' when an address is counted
    failures INTEGER NOT NULL,
    until_at INTEGER NOT NULL,           -- unix seconds: no attempt before
    known    INTEGER NOT NULL DEFAULT 0, -- it has logged in before
    seen_at  INTEGER NOT NULL            -- unix seconds
) STRICT;
CREATE INDEX login_attempts_by_account ON login_attempts (account);
CREATE INDEX login_attempts_by_age ON login_attempts (known, seen_at);
