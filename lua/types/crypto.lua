---@meta tide.crypto

--- Passwords, tokens, sealed keys, hashes and encodings.
---
--- ```lua
--- local signature = crypto.hmac_sha256(secret, req:raw_body())
--- if not crypto.equal(signature, req:header("X-Signature") or "") then
---   return nil, { code = "unauthorized" }
--- end
--- ```
---@class tide.crypto
local crypto = {}

--- Argon2id (19 MiB, tens of milliseconds), off the loop.
---@async
---@param password string
---@return string|nil hash
---@return tide.Error|nil err busy, no_memory
function crypto.password_hash(password) end

--- Compares a password with a hash. A nil hash (unknown user) takes the same
--- time.
---@async
---@param hash string|nil
---@param password string
---@param known? boolean before those of whom nothing is known, when many wait
---@return boolean|nil ok
---@return tide.Error|nil err busy, no_memory
function crypto.password_verify(hash, password, known) end

---@class tide.Claims
---@field sub integer user id
---@field ver integer the user's token_version
---@field username string
---@field role string
---@field jti string
---@field iat integer seconds
---@field exp integer seconds

--- An access token (JWT, HS256). Only in a task.
---@param claims tide.Claims
---@return string token
function crypto.token_sign(claims) end

--- Checks algorithm, signature, expiry and shape. Only in a task.
---@param token string
---@return tide.Claims|nil claims
---@return tide.Error|nil err invalid_token, token_expired
function crypto.token_verify(token) end

--- Encrypts a text for the database (XChaCha20-Poly1305). Only in a task.
---@param plain string
---@param bound string authenticated with the text and needed to unseal it, so
--- a record that was copied to another row cannot be opened
---@return string sealed
function crypto.seal(plain, bound) end

--- Decrypts a sealed text. Only in a task.
---@param sealed string
---@param bound string
---@return tide.Secret|nil secret
---@return tide.Error|nil err secret_unreadable
function crypto.unseal(sealed, bound) end

--- Random hex digits from the system; two digits are one byte.
---@param digits integer 1 to 128
---@return string hex
function crypto.random_hex_digits(digits) end

--- The old name of `random_hex_digits`; it works for one more release.
---@param bytes integer 1 to 64
---@return string hex two digits for each byte
function crypto.random_hex(bytes) end

--- A random UUID (RFC 9562, version 4).
---@return string uuid "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx"
function crypto.uuid() end

--- SHA-256.
---@param data string
---@return string hex 64 digits
function crypto.sha256(data) end

--- HMAC with SHA-256 (RFC 2104), as webhooks use it.
---@param key string|tide.Secret
---@param data string
---@return string hex 64 digits
function crypto.hmac_sha256(key, data) end

--- Compares two strings; the time is constant for equal lengths.
---@param a string
---@param b string
---@return boolean same
function crypto.equal(a, b) end

--- Bytes as hex digits.
---@param data string
---@return string hex small letters
function crypto.hex_encode(data) end

--- The bytes of hex digits.
---@param hex string of either case
---@return string|nil data
---@return tide.Error|nil err invalid_encoding
function crypto.hex_decode(hex) end

--- Base64 (RFC 4648, 4), with padding.
---@param data string
---@return string text
function crypto.base64_encode(data) end

--- Base64, strictly: padding is required, other characters are not allowed.
---@param text string
---@return string|nil data
---@return tide.Error|nil err invalid_encoding
function crypto.base64_decode(text) end

--- Base64 for URLs (RFC 4648, 5), without padding.
---@param data string
---@return string text
function crypto.base64url_encode(data) end

--- Base64 for URLs, without padding.
---@param text string
---@return string|nil data
---@return tide.Error|nil err invalid_encoding
function crypto.base64url_decode(text) end

return crypto
