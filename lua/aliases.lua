--- What modules and their fields were called in the release before this one.
--- Old names are good for one release: a `require` of an old path gets the
--- module under its new one, and `tidetalk check` says where old names are
--- used and what they are called now. Names of tide.* are the core's to keep.
--- A file that lies at an old path is the module of that name, as ever.

local M = {}

--- Old path of a module -> its new one.
M.modules = {
  ["lib.advice"] = "checks.advice",
  ["lib.auth"] = "web.auth",
  ["lib.chat_messages"] = "providers.chat_messages",
  ["lib.contracts"] = "checks.contracts",
  ["lib.csrf"] = "web.csrf",
  ["lib.fields"] = "web.fields",
  ["lib.idempotency"] = "web.idempotency",
  ["lib.objects"] = "web.objects",
  ["lib.pages"] = "web.pages",
  ["lib.pipeline"] = "web.pipeline",
  ["lib.schema"] = "web.schema",
  ["lib.schema_check"] = "checks.schema_check",
  ["lib.tool_calls"] = "providers.tool_calls",
  ["policy.openai"] = "doors.openai",
  ["routes.accounts"] = "account.account_routes",
  ["routes.admin_users"] = "account.admin_user_routes",
  ["routes.chat"] = "chat.chat_routes",
  ["routes.files"] = "files.file_routes",
  ["routes.keys"] = "account.api_key_routes",
  ["routes.models"] = "models.model_routes",
  ["routes.openai"] = "doors.openai_routes",
  ["routes.personas"] = "chat.persona_routes",
  ["routes.replies"] = "chat.reply_routes",
  ["routes.search"] = "chat.search_routes",
  ["routes.sessions"] = "chat.session_routes",
  ["routes.usage"] = "account.usage_routes",
  ["routes.user_apis"] = "models.user_api_routes",
  ["services.api_keys"] = "account.api_keys",
  ["services.attachments"] = "files.attachments",
  ["services.cache"] = "lib.cache",
  ["services.chat"] = "chat.chat",
  ["services.completions"] = "doors.completions",
  ["services.connections"] = "models.api_test",
  ["services.embeddings"] = "doors.embeddings",
  ["services.export"] = "chat.export",
  ["services.files"] = "files.files",
  ["services.llm_session"] = "chat.llm_session",
  ["services.messages"] = "chat.messages",
  ["services.models"] = "models.models",
  ["services.personas"] = "chat.personas",
  ["services.quota"] = "account.quota",
  ["services.replies"] = "chat.replies",
  ["services.resume"] = "chat.resume",
  ["services.search"] = "chat.search",
  ["services.sources"] = "models.upstream_request",
  ["services.titles"] = "chat.titles",
  ["services.tokens"] = "account.tokens",
  ["services.turn_place"] = "chat.turn_place",
  ["services.turns"] = "chat.turns",
  ["services.usage"] = "account.usage",
  ["services.user_apis"] = "models.user_apis",
  ["services.users"] = "account.users",
  session_manager = "chat.session_manager",
}

--- Old path of a module -> fields of it that are elsewhere or renamed: the
--- module and the field that they are now.
M.fields = {
  ["lib.objects"] = {
    api = "models.objects.api",
    api_schema = "models.objects.api_schema",
    deadlines_schema = "models.objects.deadlines_schema",
    file = "files.objects.file",
    file_schema = "files.objects.file_schema",
    found = "chat.objects.found",
    found_schema = "chat.objects.found_schema",
    key = "account.objects.key",
    key_schema = "account.objects.key_schema",
    message = "chat.objects.message",
    message_schema = "chat.objects.message_schema",
    new_key_schema = "account.objects.new_key_schema",
    pagination_schema = "web.pages.pagination_schema",
    session = "chat.objects.session",
    session_schema = "chat.objects.session_schema",
    tool_calls_schema = "chat.objects.tool_calls_schema",
    usage_day = "account.objects.usage_day",
    usage_day_schema = "account.objects.usage_day_schema",
    usage_schema = "chat.objects.usage_schema",
    user = "account.objects.user",
    user_schema = "account.objects.user_schema",
  },
  ["policy.openai"] = {
    wish = "doors.openai.parameters",
  },
  ["services.sources"] = {
    set = "models.upstream_request.fill",
  },
  ["services.user_apis"] = {
    mask = "models.api_secrets.mask",
  },
  session_manager = {
    keep_session = "chat.session_manager.cache_session",
  },
}

--- Module -> fields of it that are gone, and what to do instead. `check` tells
--- each use, and a use under the module's old path raises that text.
M.removed = {
  ["lib.auth"] = {
    check_site = "delete the call: web.auth.authenticate refuses the requests "
      .. "of other sites itself",
  },
  ["policy.context"] = {
    history = "use build, whose messages hold the history",
  },
  ["policy.openai"] = {
    completion = "return what ask of doors.completions returns: the core "
      .. "writes the answer",
    usage = "return what ask of doors.completions returns: the core writes "
      .. "the answer with its usage",
  },
  ["providers.demo"] = {
    plan = "it is play now",
  },
  ["services.export"] = {
    as_json = "use write_json(user_id, session, language, write) of "
      .. "chat.export in an answer with `chunks`",
    as_markdown = "use write_markdown(user_id, session, language, write) of "
      .. "chat.export in an answer with `chunks`",
  },
  ["services.messages"] = {
    SQL_ALL = "read messages with history of tide.chat",
    get_history = "use history of tide.chat, or get_conversation of "
      .. "chat.messages",
  },
  ["services.tokens"] = {
    clear_headers = "answer with `cookies = tokens.no_cookies()` instead of "
      .. "its headers, tokens being account.tokens",
    cookie_headers = "answer with `cookies = tokens.cookies(token)` instead "
      .. "of its headers, tokens being account.tokens",
  },
  ["services.user_apis"] = {
    open_key = "use open_keys of models.api_secrets, a configuration may have "
      .. "several",
  },
}

--- Modules that are gone, and what to do instead.
M.removed_modules = {
  ["services.leftovers"] = "delete the require and its calls: the bytes of "
    .. "deleted files go by themselves",
}

--- Fields of a provider (a file of providers/) -> what they are now.
M.provider_fields = {
  plan = "play",
}

return M
