---@meta tide.template

--- Texts with values in them, for pages. What is put in is escaped for HTML:
--- `& < > " '`. That is enough in the text of an element and in an attribute in
--- quotes; not in a script, a style, or an attribute without quotes. For a part
--- of an address use text.url_encode.
---
--- ```lua
--- local page = template.new([[
--- <h1>{{heading}}</h1>
--- {{#rows}}<p>{{text}} ({{user.name}})</p>{{/rows}}
--- {{^rows}}<p>Nothing yet.</p>{{/rows}}
--- ]])
--- return { body = page:render({ heading = "News", rows = rows }),
---   content_type = "text/html; charset=utf-8" }
--- ```
---
--- | tag | |
--- |---|---|
--- | `{{name}}`, `{{a.b}}` | a text, number or boolean; nothing when there is none |
--- | `{{{name}}}` | the same as it is, for HTML that you have made |
--- | `{{#name}}…{{/name}}` | once for each item of a list; once for another value; not for false, nil, null and an empty table. Names are looked up in the item first, then outside; `{{.}}` is the item itself |
--- | `{{^name}}…{{/name}}` | where `{{#name}}` shows nothing |
--- | `{{! …}}` | nothing |
---@class tide.template
local template = {}

---@class tide.TextTemplate
local TextTemplate = {}

--- Parses a template; once, when a module loads, is enough. Raises what is
--- wrong, with its line. Sections are nested 32 deep at most.
---@param text string
---@return tide.TextTemplate template
function template.new(text) end

--- Fills in values. They are read without metamethods. Raises when a table is
--- to be shown as a text.
---@param values table
---@return string text at most 16 MiB
function TextTemplate:render(values) end

return template
