ALTER TABLE users DROP COLUMN surviving_version;
ALTER TABLE users DROP COLUMN surviving_jti;
