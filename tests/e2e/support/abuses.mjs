// What a script may get wrong, as bodies of handlers, and a route for each.
export const LOOP = 'while true do end';

/** name -> [body of a handler, the code of its 500: a string, or what it must match] */
export const ABUSES = {
  'an endless loop': [LOOP, 'script_timeout'],
  'a pcall loop': [`while true do pcall(function() ${LOOP} end) end`, 'script_timeout'],
  'a caught loop': [`pcall(function() ${LOOP} end) return { json = {} }`, 'script_timeout'],
  'nested pcalls': [
    `local function f(n) if n == 0 then ${LOOP} end while true do pcall(f, n - 1) end end f(50)`,
    'script_timeout'],
  'a coroutine loop': [
    `local c = coroutine.wrap(function() ${LOOP} end) c()`, 'script_timeout'],
  'coroutines in a loop': [
    `while true do coroutine.resume(coroutine.create(function() ${LOOP} end)) end`,
    'script_timeout'],
  'a looping error handler': [
    `xpcall(function() error("x") end, function() ${LOOP} end)`, 'script_timeout'],
  'a loop in a metamethod': [
    `return setmetatable({}, { __index = function() ${LOOP} end }).json`, 'script_timeout'],
  'a loop in a comparator': [`table.sort({ 3, 2, 1 }, function() ${LOOP} end)`, 'script_timeout'],
  'a loop in gsub': [`("abc"):gsub(".", function() ${LOOP} end)`, 'script_timeout'],
  'a loop in __close': [
    `local x <close> = setmetatable({}, { __close = function() ${LOOP} end }) ${LOOP}`,
    'script_timeout'],
  'a loop after a wait': [`time.sleep(1) ${LOOP}`, 'script_timeout'],
  'a huge rep': ['return { json = ("x"):rep(1e9) }', 'internal_error'],
  'deep recursion': ['local function f() return 1 + f() end f()', /^(internal_error|script_.*)$/],
  'a huge concat': [
    'local s = ("x"):rep(1 << 20) local t = {} for i = 1, 1024 do t[i] = s end '
    + 'return { json = table.concat(t) }', /^script_(memory|timeout)$/],
  'a memory bomb': ['local t = {} while true do t[#t + 1] = ("x"):rep(1 << 20) .. #t end',
    /^script_(memory|timeout)$/],
  'a finalizer': [`setmetatable({}, { __gc = function() ${LOOP} end })`, 'internal_error'],
  'string.dump': ['return { json = string.dump(print) }', 'internal_error'],
  'bytecode through load': ['load("\\27Lua")()', 'internal_error'],
  'a global': ['leak = 1', 'internal_error'],
  'a library edit': ['string.rep = nil', 'internal_error'],
  'a metatable edit': ['getmetatable("").__index = {}', 'internal_error'],
  'an edit through rawset': ['rawset(string, "rep", nil)', 'internal_error'],
  'an edit of _G': ['_G.print = 1', 'internal_error'],
  'an edit of package.loaded': ['package.loaded.string = nil', 'internal_error'],
  'a seed for everybody': ['math.randomseed(1)', 'internal_error'],
  'a pattern bomb': [
    'return { json = ("a"):rep(200):find((".-"):rep(20) .. "b") }', 'script_timeout'],
  'an endless table.move': ['table.move({}, 1, math.maxinteger - 1, 2)', 'internal_error'],
};

/** The routes: /abuse/0, /abuse/1, ... in the list's order. */
export const abuseRoutes = () => Object.values(ABUSES).map(([body], i) => `
  { method = "GET", path = "/abuse/${i}", auth = "none", handler = function() ${body} end },`).join('');
