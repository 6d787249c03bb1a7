-- A change of the password raises token_version, which ends every token of the user. The token that
-- asked for the change survives: it counts as made with surviving_version. A later raise that names
-- no survivor (the operator's change of the account) ends it with the others.
ALTER TABLE users ADD COLUMN surviving_jti TEXT;
ALTER TABLE users ADD COLUMN surviving_version INTEGER;
