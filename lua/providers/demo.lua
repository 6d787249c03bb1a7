--- The built-in `demo` model: no address, no key, no network. It answers about
--- TideTalk in the asker's language, so that a new user can chat at once and
--- see streaming, history and personas work, and it plays the cases that are
--- hard to get from a real model (slow, long, failing). Pure: `play` turns a
--- conversation into a text and a pace; the core tells it like a real reply.

local conversations = require "tide.messages"
local demo_tools = require "providers.demo_tools"
local text = require "tide.text"

local M = { name = "demo" }

--- Characters a piece and ms between pieces: about a fast model's speed.
local PIECE, PACE_MS = 3, 15
local SLOW_PIECE, SLOW_PACE_MS = 4, 300
local LONG_PIECE, LONG_PACE_MS = 120, 5
local LONG_DEFAULT, LONG_MAX = 200, 20000
local FIRST_MS = 60
--- Characters of the asker's message that are looked at: what they ask about
--- stands at its beginning, and a message may have a megabyte.
local LOOK = 2000
--- Characters of it that the default answer repeats.
local ECHO_LENGTH = 60

---@class DemoTopic
---@field words string[] lower case; one of them in the message is enough.
--- Latin ones match where a word begins, those of up to three letters only
--- as a whole word ("hi" is not in "sushi" nor in "high").
---@field en string
---@field zh string

--- Asked from the top: the first topic with a word in the message answers.
---@type DemoTopic[]
local TOPICS = {
  {
    words = { "api key", "apikey", "api_key", "real model", "openai",
      "configure", "configuration", "密钥", "配置", "真实模型", "接入" },
    en = [[
To talk to a real model, store an API configuration of your own:

1. On the page: the model's name above, then *Add a model*. By the API:
   `POST /api/user/apis` with `api_name`, `api_key`, `model_name` and, when
   the provider is not OpenAI itself, `base_url` (such as
   `https://api.deepseek.com/v1`).
2. Start a chat whose `model_name` is the one that you stored.

Your key is sealed before it is written to the database, and no answer shows
more of it than its last four characters. An address inside a private network
must be opened by the operator first (`outbound.allow`).]],
    zh = [[
要使用真实模型，请先保存您自己的 API 配置：

1. 在网页上：点击上方的模型名称，选择“添加模型”；或调用
   `POST /api/user/apis`，填写 `api_name`、`api_key`、`model_name`；
   如果不是 OpenAI 官方服务，再填写 `base_url`
   （例如 `https://api.deepseek.com/v1`）。
2. 用刚才保存的 `model_name` 开始对话即可。

密钥在写入数据库之前会先加密，任何接口最多只显示它的最后四位。
内网地址需要管理员先在 `outbound.allow` 中放行。]],
  },
  {
    words = { "persona", "style.yaml", "人设", "角色", "风格" },
    en = [[
A persona is a system prompt with a name. They are listed in `style.yaml`, and
`GET /api/personas/` tells their names. Name one in `persona` when you start a
session or send a message: it speaks from that turn on and stays with the
session. Without a name, the first one of the file speaks. In this session it
is “{persona}”.]],
    zh = [[
人设就是一段带名字的系统提示词，写在 `style.yaml` 里，
`GET /api/personas/` 可以列出全部名称。新建会话或发送消息时用 `persona`
指定一个，从那一轮起它就开始说话，并随会话保存；不指定时使用文件中的第一个。
本会话当前的人设是“{persona}”。]],
  },
  {
    words = { "lua", "script", "edit", "extend", "plugin", "脚本", "修改",
      "扩展", "插件" },
    en = [[
Everything that you may want to change is Lua, in the folder `lua/`:

- `app.lua` returns the route table and is the only entry;
- `account/`, `chat/`, `models/` and `files/` hold a feature each, with its
  routes (`*_routes.lua`) and what they do;
- `policy/` decides titles, context and personas in pure functions;
- `providers/` describes upstreams: a new one is mostly a table of JSON paths.

`tidetalk check` reads the whole folder and reports every error with file and
line, so that a broken script never reaches your users.]],
    zh = [[
所有您可能想改的东西都是 Lua，放在 `lua/` 目录下：

- `app.lua` 返回路由表，是唯一的入口；
- `account/`、`chat/`、`models/`、`files/` 各是一个功能，
  包含路由（`*_routes.lua`）和具体实现；
- `policy/` 用纯函数决定标题、上下文和人设；
- `providers/` 描述上游模型，新增一个基本上只是一张 JSON 路径表。

`tidetalk check` 会检查整个目录，并带文件名和行号列出全部错误，
有问题的脚本不会影响用户。]],
  },
  {
    words = { "stream", "sse", "resume", "disconnect", "流式", "断线", "断开",
      "续传" },
    en = [[
Replies stream as Server-Sent Events: `POST /api/chat/message/stream`. What you
read right now is sent piece by piece, as a model writes it. The reply belongs
to the server and not to your connection: close the page, and it is finished
and stored all the same. The last frame comes only after the text is safely
committed to the database.]],
    zh = [[
回复以 SSE（Server-Sent Events）流式发送：`POST /api/chat/message/stream`。
您现在看到的文字就是一小段一小段送达的。回复属于服务器，而不属于某条连接：
即使关闭页面，它也会继续生成并完整保存；
最后一帧只在文字安全写入数据库之后才发出。]],
  },
  {
    words = { "history", "session", "remember", "context", "历史", "会话",
      "记住", "记忆", "上下文" },
    en = [[
Every message is stored before the model is asked, and every reply before you
are told that it is complete. `GET /api/chat/sessions` lists your sessions,
newest first, and `GET /api/chat/sessions/<id>/messages` pages through one of
them. With each turn the last messages of the session go to the model, together
with the persona's prompt. I see {turns} of your messages right now.]],
    zh = [[
每条消息都会先保存，再去询问模型；每条回复也都先保存，再告诉您已完成。
`GET /api/chat/sessions` 按时间倒序列出您的会话，
`GET /api/chat/sessions/<id>/messages` 可以翻看其中的消息。
每一轮都会把会话最近的消息连同人设提示词一起发给模型。
此刻我能看到您的 {turns} 条消息。]],
  },
  {
    words = { "tidetalk", "what is this", "who are you", "what are you",
      "潮聊", "你是谁", "这是什么", "你是什么", "介绍" },
    en = [[
I am the demo model of TideTalk (潮聊), a chat server with an embedded script
language: a small core in C does what must be fast and safe, and the whole API
is Lua that you can edit. It keeps your sessions, streams replies, seals your
API keys, and runs from one command without any other service.

I am no real language model. Add an API configuration to talk to one, or ask me
about API keys, personas, streaming, history or Lua.]],
    zh = [[
我是潮聊（TideTalk）的内置演示模型。潮聊是一个嵌入脚本语言的聊天服务器：
小巧的 C 内核负责快和稳，全部接口由您可以随意修改的 Lua 编写。
它保存会话、流式回复、加密您的 API 密钥，一条命令即可启动，不依赖其他服务。

我并不是真正的大语言模型。添加一个 API 配置就能与真实模型对话；
也可以问我 API 密钥、人设、流式输出、历史记录或 Lua 脚本。]],
  },
  {
    words = { "hello", "hi", "hey", "good morning", "你好", "您好",
      "嗨", "早上好", "晚上好" },
    en = [[
Hello! I am TideTalk's built-in demo model: good for a first try, without a key
or a network. Ask me what TideTalk is, how to add an API key, or how to edit
its Lua, or type `/help`.]],
    zh = [[
您好！我是潮聊（TideTalk）的内置演示模型，不需要密钥和网络，适合初次体验。
可以问我潮聊是什么、怎样添加 API 密钥、怎样修改 Lua 脚本，或输入 `/help`。]],
  },
}

local HELP = {
  en = [[
I am TideTalk's built-in demo model. Commands:

- `/help`: this list
- `/slow`: an answer at walking pace
- `/long N`: N numbered lines, at most 20000
- `/error`: an answer that breaks off with an error

Or ask about TideTalk, API keys, personas, streaming, history, Lua.]],
  zh = [[
我是潮聊（TideTalk）的内置演示模型。可用命令：

- `/help`：显示本列表
- `/slow`：以很慢的速度回答
- `/long N`：输出 N 行带编号的文字，最多 20000 行
- `/error`：回答到一半时出错

也可以问我：潮聊、API 密钥、人设、流式输出、历史记录、Lua 脚本。]],
}

local SLOW = {
  en = [[
This answer takes its time, piece by piece, a few characters at once. Leave the
page, and it goes on without you; come back, and all of it is there.]],
  zh = [[
这是一段慢慢到来的回答，每次只出现几个字。就算您中途离开页面，
它也会在服务器上继续写完；等您回来的时候，全文都会在这里，一个字也不会少。
潮水有涨有落，文字也不必着急，就这样一点一点地漫上沙滩，直到最后一个句号。]],
}

local FAILING = {
  en = "This answer begins well, and then the upstream breaks off in the ",
  zh = "这段回答开头一切正常，然后上游在中途断开了，就在",
}

local DEFAULT = {
  en = [[
You wrote: “{echo}”

I am TideTalk's built-in demo model, so I have no real answer to that. Your
message is stored, and a configured model would have seen it together with this
session's history and the persona “{persona}”. To use one, choose *Add a model*
under the model's name on the page, or `POST /api/user/apis`; `/help` shows what
I can do.]],
  zh = [[
您说：“{echo}”

我是潮聊（TideTalk）的内置演示模型，无法真正回答这个问题。
不过消息已经保存；换成您配置的模型，它会连同本会话的历史和人设“{persona}”
一起看到。在网页的模型名称下选择“添加模型”（或调用 `POST /api/user/apis`）
即可使用真实模型，
输入 `/help` 可以查看我会做什么。]],
}

--- The beginning of the last user message and how many there are.
---@param messages tide.Messages
---@return string beginning, integer turns
local function asked(messages)
  local last, turns = nil, 0
  for i = 1, #messages do
    if messages:role(i) == "user" then
      last, turns = i, turns + 1
    end
  end
  return last and text.prefix(messages:content(last), LOOK) or "", turns
end

---@param message string of small letters
---@param word string
---@return boolean
local function has_word(message, word)
  if not word:find("^%w") then
    return message:find(word, 1, true) ~= nil
  end
  local pattern = "%f[%w]" .. word:gsub("%p", "%%%0")
  if #word <= 3 then
    pattern = pattern .. "%f[%W]"
  end
  return message:find(pattern) ~= nil
end

---@param lower string the message in lower case
---@param language "zh"|"en"
---@return string|nil
local function topic_answer(lower, language)
  for _, topic in ipairs(TOPICS) do
    for _, word in ipairs(topic.words) do
      if has_word(lower, word) then
        return topic[language]
      end
    end
  end
  return nil
end

---@param message string
---@return string
local function echo(message)
  local line = message:gsub("%s+", " ")
  local short = text.prefix(line, ECHO_LENGTH)
  return short == line and line or short .. "…"
end

---@param count integer
---@param language "zh"|"en"
---@return string
local function numbered_lines(count, language)
  local line = language == "zh" and "%d. 潮来潮去，这是第 %d 行。"
    or "%d. The tide comes and goes; this is line %d."
  local lines = {}
  for i = 1, count do
    lines[i] = line:format(i, i)
  end
  return table.concat(lines, "\n")
end

local commands = {}

function commands.help(language)
  return { text = HELP[language] }
end

function commands.slow(language)
  return {
    text = SLOW[language],
    piece = SLOW_PIECE,
    pace_ms = SLOW_PACE_MS,
  }
end

function commands.long(language, argument)
  local count = tonumber(argument) or LONG_DEFAULT
  count = math.floor(math.max(1, math.min(count, LONG_MAX)))
  return {
    text = numbered_lines(count, language),
    piece = LONG_PIECE,
    pace_ms = LONG_PACE_MS,
  }
end

function commands.error(language)
  return { text = FAILING[language], error = "upstream_failed" }
end

--- The command in a message, with its argument.
---@param message string
---@return function|nil command, string argument
local function command_of(message)
  local name, argument = message:match("^%s*/(%a+)%s*(%S*)")
  return name and commands[name:lower()], argument
end

---@param play table changed
---@return table play
local function paced(play)
  play.piece = play.piece or PIECE
  play.pace_ms = play.pace_ms or PACE_MS
  play.first_ms = FIRST_MS
  return play
end

--- A call of tools, or what they answered.
---@param messages tide.Messages
---@param question string
---@param language "zh"|"en"
---@param request table see M.play
---@return table|nil play
local function with_tools(messages, question, language, request)
  local answer = demo_tools.answer(messages, language)
  if answer then
    return { text = demo_tools.formed(answer, request) or answer }
  end
  local calls = demo_tools.calls(question, request, #messages)
  return calls and { text = "", tool_calls = calls }
end

--- What to say and how fast.
---@param messages tide.Messages|{role: string, content: string}[] as sent to a
--- model
---@param persona {name: string, content: string}
---@param client_language "zh"|"en" for commands, which have none of their own
---@param request? table what a client of the OpenAI routes wants besides:
--- `tools`, `tool_choice` and `options` as in tide.ProviderRequest
---@return table play the `play` of tide.StartSpec
function M.play(messages, persona, client_language, request)
  local kept = type(messages) == "table" and conversations.new(messages)
    or messages
  local message, turns = asked(kept)
  local language = text.has_cjk(message) and "zh" or "en"
  local command, argument = command_of(message)
  local play = with_tools(kept, message, language, request or {})
  if play then
    return paced(play)
  elseif command then
    play = command(client_language, argument)
  else
    local answer = topic_answer(message:lower(), language)
      or DEFAULT[language]
    play = {
      text = answer:gsub("{(%w+)}", {
        echo = echo(message),
        persona = persona.name,
        turns = turns,
      }),
    }
  end
  play.text = demo_tools.formed(play.text, request or {}) or play.text
  return paced(play)
end

M.takes_kept = M.play

return M
