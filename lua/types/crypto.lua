---@meta tide.crypto

---@class tide.crypto
local crypto = {}

--- Argon2id off the loop; yields.
---@param password string
---@return string|nil hash, tide.Error|nil err "busy"
function crypto.password_hash(password) end

--- Yields. A hash that is nil costs the same time (unknown users).
---@param hash string|nil
---@param password string
---@return boolean|nil ok, tide.Error|nil err "busy"
function crypto.password_verify(hash, password) end

---@param claims tide.Claims
---@return string token
function crypto.token_sign(claims) end

---@param token string
---@return tide.Claims|nil claims, tide.Error|nil err invalid_token, token_expired
function crypto.token_verify(token) end

--- XChaCha20-Poly1305; `bound` must be the same at unseal.
---@param plain string
---@param bound string
---@return string sealed
function crypto.seal(plain, bound) end

---@param sealed string
---@param bound string
---@return tide.Secret|nil secret, tide.Error|nil err "secret_unreadable"
function crypto.unseal(sealed, bound) end

---@param bytes integer
---@return string hex digits, two a byte
function crypto.random_hex(bytes) end

---@param data string
---@return string hex
function crypto.sha256(data) end

--- In constant time for equal lengths.
---@param a string
---@param b string
---@return boolean
function crypto.equal(a, b) end


---@class tide.Claims
---@field sub integer user id
---@field ver integer the user's token_version
---@field username string
---@field role string
---@field jti string
---@field iat integer seconds
---@field exp integer seconds

return crypto
