-- What limits of a user need to hold over all nodes: how many replies of whom run on a node
-- ("USER:REPLIES" with blanks between them, as of its last heartbeat), and requests that are counted.
ALTER TABLE nodes ADD COLUMN replies TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE TABLE node_counts (
    user_id  BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name     TEXT COLLATE "C" NOT NULL,
    requests BIGINT NOT NULL,
    ends_at  BIGINT NOT NULL, -- microseconds since 1970; then a count begins anew
    PRIMARY KEY (user_id, name)
);
