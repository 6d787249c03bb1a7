-- Tokens spent, a row a user, day and model: small for ever, whatever is deleted of the messages.
CREATE TABLE usage_days (
    user_id       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    day           TEXT    NOT NULL, -- UTC, YYYY-MM-DD
    model_name    TEXT    NOT NULL, -- as the user's configuration calls it
    requests      INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    estimated     INTEGER NOT NULL, -- requests whose upstream did not tell all of its tokens
    charged_twice INTEGER NOT NULL, -- requests that may have been charged by two upstreams
    PRIMARY KEY (user_id, day, model_name)
) STRICT, WITHOUT ROWID;
