ALTER TABLE chat_sessions DROP COLUMN options;

ALTER TABLE user_apis DROP COLUMN refused;
ALTER TABLE user_apis DROP COLUMN more_keys;
ALTER TABLE user_apis DROP COLUMN headers;
ALTER TABLE user_apis DROP COLUMN options;
ALTER TABLE user_apis DROP COLUMN upstream_model;
