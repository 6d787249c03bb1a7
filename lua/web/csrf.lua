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

--- An Origin header decides when it is there (a listed page on another site
--- has Sec-Fetch-Site: cross-site and is welcome all the same); without it
--- Sec-Fetch-Site does; without both the client is no browser of today.
---@param origin string|nil the Origin header
---@param fetch_site string|nil the Sec-Fetch-Site header
---@param allowed string[] origins or URLs of our own pages
---@return boolean
function M.is_foreign(origin, fetch_site, allowed)
  if origin then
    local asked = M.origin(origin) -- nil for "null"
    for _, url in ipairs(allowed) do
      if asked and asked == M.origin(url) then
        return false
      end
    end
    return true
  end
  return fetch_site == "cross-site" or fetch_site == "same-site"
end

return M
