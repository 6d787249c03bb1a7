-- Timers with a calendar: what a restart has to know of them. Times are seconds since 1970.
CREATE TABLE timer_ticks (
    name     TEXT    NOT NULL PRIMARY KEY,
    schedule TEXT    NOT NULL, -- and its zone: with another one nothing was missed
    begun_at INTEGER NOT NULL, -- when the last tick began
    done_at  INTEGER NOT NULL, -- the scheduled time up to which ticks have ended
    number   INTEGER NOT NULL
) STRICT;

-- Jobs of tide.queue; one that is done is deleted. Times are microseconds since 1970.
CREATE TABLE queue_jobs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- never given out again: the operator names jobs by it
    queue       TEXT    NOT NULL,
    user_id     INTEGER REFERENCES users (id) ON DELETE CASCADE, -- whose work it is; NULL: the server's
    owner       INTEGER NOT NULL, -- the same, with 0 for NULL
    unique_key  TEXT,             -- of at most one job of the queue that is not dead
    payload     TEXT    NOT NULL, -- JSON
    status      TEXT    NOT NULL
                CHECK (status = 'waiting' OR status = 'later' OR status = 'running' OR status = 'dead'),
    turn        INTEGER NOT NULL, -- the order of waiting jobs, in which owners take turns
    run_at      INTEGER NOT NULL, -- 'later': when it begins to wait
    attempt     INTEGER NOT NULL, -- so many have begun
    attempts    INTEGER NOT NULL, -- so many may begin
    lease       TEXT    NOT NULL, -- 'running': a name of the attempt, without which nobody ends it
    lease_until INTEGER NOT NULL,
    error       TEXT    NOT NULL, -- of the last attempt
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX queue_jobs_by_turn ON queue_jobs (queue, status, turn, id, owner);
CREATE INDEX queue_jobs_by_owner ON queue_jobs (queue, owner, status, turn);
CREATE INDEX queue_jobs_by_user ON queue_jobs (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX queue_jobs_later ON queue_jobs (queue, run_at) WHERE status = 'later';
CREATE INDEX queue_jobs_running ON queue_jobs (lease_until) WHERE status = 'running';
CREATE UNIQUE INDEX queue_jobs_by_key ON queue_jobs (queue, unique_key)
    WHERE unique_key IS NOT NULL AND status <> 'dead';

-- Where each owner is in the order: the turn of its last job. The next one comes a turn later, or
-- with the turn that the queue is at. Rows behind that say nothing and are deleted.
CREATE TABLE queue_owners (
    queue TEXT    NOT NULL,
    owner INTEGER NOT NULL,
    turn  INTEGER NOT NULL,
    PRIMARY KEY (queue, owner)
) STRICT;
CREATE INDEX queue_owners_by_turn ON queue_owners (queue, turn);

-- How many jobs there are: a backlog has a bound, and counting it for each job would take too long.
CREATE TABLE queue_counts (
    queue  TEXT    NOT NULL,
    status TEXT    NOT NULL,
    jobs   INTEGER NOT NULL,
    PRIMARY KEY (queue, status)
) STRICT;

CREATE TRIGGER queue_counts_insert AFTER INSERT ON queue_jobs
BEGIN
    INSERT INTO queue_counts (queue, status, jobs) VALUES (new.queue, new.status, 1)
    ON CONFLICT (queue, status) DO UPDATE SET jobs = jobs + 1;
END;

CREATE TRIGGER queue_counts_delete AFTER DELETE ON queue_jobs
BEGIN
    UPDATE queue_counts SET jobs = jobs - 1 WHERE queue = old.queue AND status = old.status;
END;

CREATE TRIGGER queue_counts_update AFTER UPDATE OF status ON queue_jobs
WHEN old.status <> new.status
BEGIN
    UPDATE queue_counts SET jobs = jobs - 1 WHERE queue = old.queue AND status = old.status;
    INSERT INTO queue_counts (queue, status, jobs) VALUES (new.queue, new.status, 1)
    ON CONFLICT (queue, status) DO UPDATE SET jobs = jobs + 1;
END;
