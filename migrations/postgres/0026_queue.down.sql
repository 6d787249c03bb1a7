DROP TABLE queue_jobs;
DROP TABLE queue_owners;
DROP TABLE queue_counts;
DROP TABLE timer_ticks;
DROP FUNCTION queue_counts_change;
