ALTER TABLE chat_messages DROP COLUMN turn_epoch;
DROP INDEX chat_sessions_turns;
ALTER TABLE chat_sessions DROP COLUMN turn_epoch;
ALTER TABLE chat_sessions DROP COLUMN turn_node;
DROP TABLE node_leases;
DROP TABLE node_settings;
DROP TABLE nodes;
DROP FUNCTION tidetalk_now();
