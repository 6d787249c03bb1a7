ALTER TABLE user_apis DROP COLUMN total_ms;
ALTER TABLE user_apis DROP COLUMN between_ms;
ALTER TABLE user_apis DROP COLUMN first_byte_ms;
ALTER TABLE user_apis DROP COLUMN connect_ms;
