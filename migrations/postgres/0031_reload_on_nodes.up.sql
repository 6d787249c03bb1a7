-- Changing scripts on all nodes at once (core/app/reload/proposals.h): which generation serves is the one
-- row of script_generations whose outcome is 'current'.
UPDATE script_generations SET outcome = 'replaced' WHERE outcome = 'current'
    AND number < (SELECT MAX(number) FROM script_generations WHERE outcome = 'current');
CREATE UNIQUE INDEX script_generations_current ON script_generations (outcome) WHERE outcome = 'current';
ALTER TABLE nodes ADD COLUMN script_generation BIGINT NOT NULL DEFAULT 0; -- its number; 0: none serves yet

-- Scripts that a node asks the others about; one at a time.
CREATE TABLE node_proposals (
    id         BIGINT PRIMARY KEY,
    only_one   BIGINT NOT NULL DEFAULT 1 UNIQUE CHECK (only_one = 1),
    node       BIGINT NOT NULL,
    number     BIGINT NOT NULL, -- of the generation that it would be
    need_state BIGINT NOT NULL
);
CREATE TABLE node_proposal_files (
    proposal  BIGINT NOT NULL REFERENCES node_proposals (id) ON DELETE CASCADE,
    path      TEXT COLLATE "C" NOT NULL,
    file_hash TEXT COLLATE "C" NOT NULL REFERENCES script_files (hash),
    PRIMARY KEY (proposal, path)
);
CREATE INDEX node_proposal_files_by_hash ON node_proposal_files (file_hash);

-- What a node says after it has built them, and what it has counted of the scripts before.
CREATE TABLE node_proposal_votes (
    proposal BIGINT NOT NULL REFERENCES node_proposals (id) ON DELETE CASCADE,
    node     BIGINT NOT NULL,
    ready    BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    PRIMARY KEY (proposal, node)
);
CREATE TABLE node_proposal_refusals (
    proposal BIGINT NOT NULL,
    node     BIGINT NOT NULL,
    place    BIGINT NOT NULL,               -- from 1
    phase    TEXT COLLATE "C" NOT NULL,
    text     TEXT COLLATE "C" NOT NULL, -- "file:line: message"
    PRIMARY KEY (proposal, node, place),
    FOREIGN KEY (proposal, node) REFERENCES node_proposal_votes (proposal, node) ON DELETE CASCADE
);

-- A generation on probation: what was counted before it, and what each node counts since.
CREATE TABLE node_probations (
    generation BIGINT PRIMARY KEY REFERENCES script_generations (number) ON DELETE CASCADE,
    ends_at    BIGINT NOT NULL, -- microseconds since 1970
    requests   BIGINT NOT NULL,
    failures   BIGINT NOT NULL
);
CREATE TABLE node_probation_counts (
    generation BIGINT NOT NULL REFERENCES node_probations (generation) ON DELETE CASCADE,
    node       BIGINT NOT NULL,
    requests   BIGINT NOT NULL,
    failures   BIGINT NOT NULL,
    PRIMARY KEY (generation, node)
);

-- The scripts with which a session's last turn began. NULL is what a turn finds whose scripts serve no more.
ALTER TABLE chat_sessions ADD COLUMN turn_generation BIGINT;
UPDATE chat_sessions SET turn_generation = 0 WHERE turn_node IS NOT NULL; -- of nodes that were killed
ALTER TABLE chat_sessions ADD CONSTRAINT chat_sessions_turn_generation
    CHECK (turn_node IS NULL OR turn_generation IS NOT NULL) NOT VALID;
