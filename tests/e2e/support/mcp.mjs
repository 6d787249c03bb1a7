// Servers of the Model Context Protocol: real ones, of the packages of its own project, and a hostile one.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Server as OlderServer } from '@modelcontextprotocol/sdk/server/index.js';
import { WebStandardStreamableHTTPServerTransport as Transport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { createMcpHandler, Server } from '@modelcontextprotocol/server';

const INFO = [{ name: 'tides', version: '1' }, { capabilities: { tools: {} } }];
const PLACE = { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] };

const TOOLS = [
  {
    name: 'height',
    description: 'How high the tide is',
    inputSchema: { ...PLACE, properties: { place: { type: 'string', 'x-mcp-header': 'Place' } } },
  },
  { name: 'chart.of day', description: 'A chart', inputSchema: PLACE },
  { name: 'numbers', inputSchema: { type: 'object' } },
  { name: 'fail', description: 'Fails', inputSchema: { type: 'object' } },
];

function result({ name, arguments: args }) {
  switch (name) {
    case 'height': return { content: [{ type: 'text', text: `3 m in ${args.place}` }] };
    case 'chart.of day': return {
      content: [
        { type: 'text', text: 'Here:' },
        { type: 'image', mimeType: 'image/png', data: 'AAAAAAAA' },
        { type: 'resource_link', name: 'more', uri: 'https://example.org/more' },
      ],
    };
    case 'numbers': return { content: [], structuredContent: { heights: [1, 2.5] } };
    default: return { isError: true, content: [{ type: 'text', text: 'no water' }] };
  }
}

/** Serves a function from Request to Response. `seen` has the headers and messages of all POSTs. */
async function serve(handle) {
  const seen = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const asked = { headers: request.headers, message: JSON.parse(body || '{}') };
    seen.push(asked);
    const headers = Object.entries(request.headers).filter(([name]) => !['connection', 'host', 'content-length'].includes(name));
    const answer = await handle(new Request(`http://${request.headers.host}${request.url}`, {
      method: request.method, headers, body: body || undefined,
    }), asked);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    for await (const chunk of answer.body ?? []) {
      if (response.destroyed) break; // else an endless answer would go on
      response.write(chunk);
    }
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    handle,
    seen,
    of: (method) => seen.filter(({ message }) => message.method === method),
    url: `http://127.0.0.1:${server.address().port}/mcp`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Revision 2026-07-28 and no other. */
export function startModern() {
  const handler = createMcpHandler(() => {
    const server = new Server(...INFO);
    server.setRequestHandler('tools/list', async () => ({ tools: TOOLS, ttlMs: 60000, cacheScope: 'public' }));
    server.setRequestHandler('tools/call', async ({ params }) => result(params));
    return server;
  }, { legacy: 'reject' });
  return serve((request) => handler.fetch(request));
}

/** The revisions before it, with sessions or without. `tools` may be changed. */
export async function startOlder({ sessions, json = false }) {
  const transports = new Map();
  const begin = async (options) => {
    const server = new OlderServer(...INFO);
    server.setRequestHandler(ListToolsRequestSchema, async () => ({ tools: TOOLS }));
    server.setRequestHandler(CallToolRequestSchema, async ({ params }) => result(params));
    const transport = new Transport({ ...options, enableJsonResponse: json });
    await server.connect(transport);
    return transport;
  };
  const started = await serve(async (request, { headers, message }) => {
    if (!sessions) return (await begin({ sessionIdGenerator: undefined })).handleRequest(request);
    const known = transports.get(headers['mcp-session-id']);
    if (known) return known.handleRequest(request);
    if (message.method !== 'initialize') {
      return Response.json({ jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' }, id: null },
        { status: headers['mcp-session-id'] ? 404 : 400 });
    }
    const transport = await begin({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => transports.set(id, transport),
    });
    return transport.handleRequest(request);
  });
  return { ...started, forget: () => transports.clear(), sessions: () => transports.size };
}

/** A server at one address that is another one from time to time. */
export const startSwitch = (target) => serve((request, asked) => target().handle(request, asked));

const answerTo = ({ id }, value) => Response.json({ jsonrpc: '2.0', id, result: { resultType: 'complete', ...value } });
const tool = (name, more) => ({ name, description: name, inputSchema: { type: 'object' }, ...more });
const endless = (text) => new Response(new ReadableStream({
  async pull(controller) {
    controller.enqueue(new TextEncoder().encode(text));
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  },
}), { headers: { 'Content-Type': 'text/event-stream' } });

/** What hostile servers say to tools/list; what follows a call is CALLS. */
export const LISTS = {
  huge: (message) => answerTo(message, { tools: Array.from({ length: 500 }, (_, i) => tool(`t${i}`)), nextCursor: 'more' }),
  forever: (message) => answerTo(message, { tools: [], nextCursor: 'again' }),
  large: (message) => answerTo(message, { tools: [tool('x', { description: 'x'.repeat(2 ** 21) })] }),
  dense: () => new Response(`{"id":${'['.repeat(900000)}`, { headers: { 'Content-Type': 'application/json' } }),
  lists: (message) => answerTo(message, { tools: Array(200000).fill([]) }),
  events: () => endless('event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message"}\n\n'),
  comments: () => new Response(`:${'\n\ndata:'.repeat(100000)}`, { headers: { 'Content-Type': 'text/event-stream' } }),
  denied: () => new Response('', { status: 401 }),
  broken: () => new Response('', { status: 500 }),
  moved: () => new Response('', { status: 302, headers: { Location: 'http://127.0.0.1:1/' } }),
  page: () => new Response('<html>', { headers: { 'Content-Type': 'text/html' } }),
  another: () => answerTo({ id: 'another' }, { tools: [tool('x')] }),
  text: (message) => answerTo(message, { tools: 'none' }),
  schemas: (message) => answerTo(message, {
    tools: [
      null, 7, {}, tool(''), tool(8), tool('s'.repeat(300)),
      tool('no_schema', { inputSchema: null }),
      tool('a_list', { inputSchema: [] }),
      tool('a_text', { inputSchema: { type: 'string' } }),
      tool('properties', { inputSchema: { type: 'object', properties: 'x' } }),
      tool('unknown_type', { inputSchema: { type: 'object', properties: { a: { type: 'fish' } } } }),
      tool('required', { inputSchema: { type: 'object', required: [1] } }),
      tool('away', { inputSchema: { type: 'object', properties: { a: { $ref: 'http://10.0.0.1/' } } } }),
      tool('deep', { inputSchema: JSON.parse(`${'{"type":"object","not":'.repeat(20)}{}${'}'.repeat(20)}`) }),
      tool('fat', { inputSchema: { type: 'object', title: 'x'.repeat(20000) } }),
      tool('header', { inputSchema: { type: 'object', properties: { a: { type: 'string', 'x-mcp-header': 'a\r\nb' } } } }),
      tool('twice'), tool('twice'), tool('good', { title: 5, description: ['x'] }),
    ],
  }),
};

/** Calls of /calls/holds whose stream the client has left. */
export const left = { count: 0 };

/** Answers as events, in pieces of three bytes, and never ends. */
function holds({ id }) {
  const bytes = new TextEncoder().encode(`: hello\r\n\r\nevent: message\r\ndata: {"jsonrpc":"2.0","method":"notifications/message"}\r\n\r\n`
    + `data: {"jsonrpc":"2.0","id":"another","result":{}}\r\n\r\ndata: {"jsonrpc":"2.0","id":"${id}",\r\n`
    + `data: "result":{"resultType":"complete","content":[{"type":"text","text":"3 m"}]}}\r\n\r\n`);
  let at = 0;
  return new Response(new ReadableStream({
    async pull(controller) {
      controller.enqueue(at < bytes.length ? bytes.subarray(at, at += 3) : new TextEncoder().encode(': still here\n'));
      await new Promise((resolve) => { setTimeout(resolve, at < bytes.length ? 0 : 20); });
    },
    cancel() { left.count += 1; },
  }), { headers: { 'Content-Type': 'text/event-stream' } });
}

const CALLS = {
  holds,
  events: LISTS.events,
  gone: () => new Response('', { status: 503 }),
  large: (message) => answerTo(message, { content: [{ type: 'text', text: 'x'.repeat(2 ** 21) }] }),
  long: (message) => answerTo(message, { content: [{ type: 'text', text: 'x'.repeat(2 ** 17) }] }),
  strange: (message) => answerTo(message, { content: [7, null, { type: 'text', text: 7 }, { type: '\n' }] }),
  asks: ({ id }) => Response.json({ jsonrpc: '2.0', id, result: { resultType: 'input_required', inputRequests: {} } }),
};

/** `/LIST`: what `LISTS` has; `/calls`: a tool for each of `CALLS`. */
export function startHostile() {
  return serve((request, { message }) => {
    const kind = new URL(request.url).pathname.slice(5);
    if (kind !== 'calls') return LISTS[kind](message);
    if (message.method === 'tools/list') return answerTo(message, { tools: Object.keys(CALLS).map((name) => tool(name)) });
    return CALLS[message.params.name](message);
  });
}
