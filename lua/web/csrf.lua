--- Whether a request that a browser sends with our cookie was made by a page
--- of ours. Pure: the pipeline asks it for unsafe methods under cookie auth.
--- Sources: RFC 6454 (origins), W3C Fetch Metadata (Sec-Fetch-Site).

local M = {}

local DEFAULT_PORT = { http = "80", https = "443" }

--- The origin of a URL as browsers write it: lower case, no default port.
---@param url string
---@return string|nil
function M.origin(url)
  local scheme, authority = url:match("^(%a[%w+.-]*)://([^/?#]+)")
  if not scheme then
    return nil
  end
  scheme, authority = scheme:lower(), authority:lower()
  local host, port = authority:match("^(.*):(%d+)$")
  if host and port == DEFAULT_PORT[scheme] then
    authority = host
  end
  return scheme .. "://" .. authority
end

--- No page can set Sec-Fetch-Site, so "same-origin" is believed: behind a proxy
--- that rewrites Host the Origin header does not match what we see. Otherwise
--- an Origin header decides when it is there, then Sec-Fetch-Site; without both
--- the client is no browser of today.
---@param origin string|nil the Origin header
---@param fetch_site string|nil the Sec-Fetch-Site header
---@param own string the URL of our own page
---@return boolean
function M.is_foreign(origin, fetch_site, own)
  if fetch_site == "same-origin" then
    return false
  end
  if origin then
    local asked = M.origin(origin) -- nil for "null"
    return not asked or asked ~= M.origin(own)
  end
  return fetch_site == "cross-site" or fetch_site == "same-site"
end

return M
