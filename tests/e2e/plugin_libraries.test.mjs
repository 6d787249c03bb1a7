// covers: script, core/script/sandbox_library.c
// Libraries for plain Lua in the folder of a plugin, unchanged as Debian's packages have them.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe } from 'node:test';
import { reloaded } from './support/bundle.mjs';
import { test } from './support/limits.mjs';
import { withServer } from './support/suite.mjs';

/** What each does in a route, and what comes out. */
const LIBRARIES = [
  {
    package: 'lua-dkjson', files: ['dkjson.lua'],
    use: `local dkjson = require "dkjson"
      return dkjson.encode({ 1, "x", dkjson.decode('{"a": 2.5}').a }, { indent = false })`,
    result: '[1,"x",2.5]',
  },
  {
    package: 'lua-penlight', files: ['pl'],
    use: `local List, stringx, tablex = require "pl.List", require "pl.stringx", require "pl.tablex"
      local OrderedMap, template = require "pl.OrderedMap", require "pl.template"
      local map = OrderedMap() map:set("b", 1) map:set("a", 2)
      local text = template.substitute("$(word) at $(hour)", { word = "ebb", hour = 3 })
      return List({ 3, 1, 2 }):sort():join(",") .. stringx.title(" low tide")
        .. tablex.reduce("+", { 1, 2, 3 }) .. map:keys():join("") .. text`,
    result: '1,2,3 Low Tide6baebb at 3',
  },
  {
    package: 'lua-messagepack', files: ['MessagePack.lua'],
    use: `local mp = require "MessagePack"
      local value = mp.unpack(mp.pack({ 1, "ebb", { low = true }, 2.5 }))
      return value[2] .. tostring(value[3].low) .. value[4]`,
    result: 'ebbtrue2.5',
  },
  {
    package: 'lua-inspect', files: ['inspect.lua'],
    use: 'return require "inspect" ({ 1, tide = { "ebb" } }, { newline = "", indent = "" })',
    result: '{ 1,tide = { "ebb" }}',
  },
];

const FOLDERS = ['5.4', '5.3', '5.2', '5.1'].map((version) => `/usr/share/lua/${version}`);
const find = (file) => FOLDERS.map((folder) => join(folder, file)).find(existsSync);

describe('libraries in a plugin', () => {
  const context = withServer({});

  for (const [i, library] of LIBRARIES.entries()) {
    const paths = library.files.map(find);
    const skip = paths.every(Boolean) ? false : `${library.package} is not installed`;
    test(`${library.package}, ${i + 1}`, { skip }, async () => {
      const { server } = context;
      const folder = join(server.home.folder, `plugins/library_${i}`);
      mkdirSync(folder, { recursive: true });
      for (const path of paths)
        cpSync(path, join(folder, basename(path)), { recursive: statSync(path).isDirectory(), dereference: true });
      writeFileSync(join(folder, 'plugin.lua'), `return { api = 1, routes = { {
        method = "GET", path = "/api/library_${i}", auth = "none", summary = "Uses a library.",
        handler = function()
          local ran, result = pcall(function() ${library.use} end)
          return { json = { result = result } }
        end } } }`);
      await reloaded(server);
      const { body } = await server.client().get(`/api/library_${i}`);
      assert.equal(body.result, library.result);
    });
  }
});
