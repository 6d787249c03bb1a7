// What providers really send, and what a reply must be then: data for tests/unit/tide/test_upstream_cases.c
// (each case cut at every byte) and tests/e2e/upstream_bytes.test.mjs (a sample through the whole server).
// Each case is written once here; the ways in which senders frame the same events are made from it.
//
// usage: node tests/data/upstream_cases/generate.mjs     rewrites the .jsonl files beside this one
//
// A line: {name, provider, type, body or base64, want: {text, reasoning, calls, finish, usage, code, detail}};
// `calls` is [[name, arguments], …]; without `code` the reply is complete. `packed`: what the test packs the
// body with, one after the other ("gzip", "zlib", "bare"); `label`: the Content-Encoding that it gets. `inside`:
// answers of this model were seen to begin inside the reasoning.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SSE = 'text/event-stream';
const JSON_TYPE = 'application/json';
const LINES = 'application/x-ndjson';

// ---- OpenAI's form ----

const chunk = (delta, finish = null, more = {}) => ({
  id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm',
  choices: [{ index: 0, delta, finish_reason: finish }], ...more,
});
const text = (content) => chunk({ content });
const usage = (input, output) => ({ prompt_tokens: input, completion_tokens: output, total_tokens: input + output });
const ROLE = chunk({ role: 'assistant', content: '' });
const STOP = chunk({}, 'stop');
const DONE = '[DONE]';
const call = (piece) => chunk({ tool_calls: [piece] });
const USAGE = { id: 'x', object: 'chat.completion.chunk', choices: [], usage: usage(11, 7) };

/** name -> [events, want]; an event is an object, a word, or [name, object]. */
const OPENAI = {
  plain: [[ROLE, text('hello'), text(' world'), STOP, USAGE, DONE], { text: 'hello world', usage: [11, 7] }],
  chinese: [[ROLE, text('潮起'), text('潮落 🌊'), STOP, DONE], { text: '潮起潮落 🌊' }],
  no_finish_but_done: [[text('hey'), DONE], { text: 'hey' }],
  no_done_but_finish: [[text('hey'), STOP], { text: 'hey' }],
  text_in_last: [[text('he'), chunk({ content: 'y' }, 'stop'), DONE], { text: 'hey' }],
  keep_alive: [['keep-alive', text('a'), 'ping', text('b'), '[heartbeat]', STOP, DONE], { text: 'ab' }],
  named_ping: [[['ping', { type: 'ping' }], text('a'), ['ping', {}], STOP, DONE], { text: 'a' }],
  null_choices_between: [[text('a'), { choices: null }, { choices: [] }, text('b'), STOP, DONE], { text: 'ab' }],
  // nothing in it
  only_done: [[DONE], { code: 'upstream_empty' }],
  empty_stop: [[ROLE, STOP, DONE], { code: 'upstream_empty', finish: 'stop' }],
  empty_stop_no_done: [[ROLE, chunk({ content: '' }, 'stop')], { code: 'upstream_empty', finish: 'stop' }],
  role_and_done: [[ROLE, DONE], { code: 'upstream_empty' }],
  usage_only: [[USAGE, DONE], { code: 'upstream_empty', usage: [11, 7] }],
  reasoning_only: [[chunk({ reasoning_content: 'hm' }), STOP, DONE], { code: 'upstream_empty', reasoning: 'hm', finish: 'stop' }],
  empty_length: [[ROLE, chunk({}, 'length'), DONE], { code: 'upstream_length_reached', finish: 'length' }],
  empty_filter: [[ROLE, chunk({}, 'content_filter'), DONE], { code: 'upstream_content_refused', finish: 'content_filter' }],
  empty_sensitive: [[ROLE, chunk({}, 'sensitive'), DONE], { code: 'upstream_content_refused', finish: 'content_filter' }],
  role_and_cut: [[ROLE], { code: 'upstream_incomplete' }],
  text_and_cut: [[ROLE, text('half')], { code: 'upstream_incomplete', text: 'half' }],
  // reasons
  filter_after_text: [[text('so'), chunk({}, 'content_filter'), DONE], { text: 'so', finish: 'content_filter' }],
  length_after_text: [[text('so'), chunk({}, 'length'), DONE], { text: 'so', finish: 'length' }],
  max_tokens_word: [[text('so'), chunk({}, 'max_tokens'), DONE], { text: 'so', finish: 'length' }],
  unknown_reason: [[text('so'), chunk({}, 'tide'), DONE], { text: 'so', finish: 'tide' }],
  finish_error: [[text('part '), chunk({ content: '' }, 'error'), DONE], { code: 'upstream_error', text: 'part ', finish: 'error' }],
  finish_network_error: [[text('part '), chunk({}, 'network_error'), DONE], { code: 'upstream_error', text: 'part ', finish: 'error' }],
  refusal: [[chunk({ refusal: 'I cannot ' }), chunk({ refusal: 'help' }), STOP, DONE], { text: 'I cannot help' }],
  // errors inside
  error_object: [[{ error: { message: 'Rate limit reached', type: 'rate_limit_error', code: 'rate_limit_exceeded' } }, DONE], { code: 'upstream_rate_limited', detail: 'Rate limit reached' }],
  error_after_text: [[text('half'), { error: { message: 'The server is overloaded', code: 503 } }], { code: 'upstream_overloaded', text: 'half', detail: 'The server is overloaded' }],
  error_string: [[{ error: 'model overloaded, try later' }], { code: 'upstream_overloaded', detail: 'model overloaded, try later' }],
  error_number_429: [[{ error: { code: 429, message: 'slow down' } }], { code: 'upstream_rate_limited', detail: 'slow down' }],
  error_number_502: [[{ error: { code: 502, message: 'Provider returned error' } }], { code: 'upstream_failed', detail: 'Provider returned error' }],
  error_quota: [[{ error: { message: 'You exceeded your current quota', type: 'insufficient_quota', code: 'insufficient_quota' } }], { code: 'upstream_quota_empty', detail: 'You exceeded your current quota' }],
  error_context: [[{ error: { message: "This model's maximum context length is 4096 tokens", type: 'invalid_request_error', code: null } }], { code: 'upstream_context_too_long', detail: "This model's maximum context length is 4096 tokens" }],
  error_vllm_old: [[{ object: 'error', message: "This model's maximum context length is 4096 tokens", type: 'BadRequestError', param: null, code: 400 }, DONE], { code: 'upstream_context_too_long', detail: "This model's maximum context length is 4096 tokens" }],
  error_event: [[text('par'), ['error', { code: 'InvalidParameter', message: 'bad' }]], { code: 'upstream_rejected', text: 'par', detail: 'bad' }],
  error_event_first: [[['error', { message: 'Too many requests' }]], { code: 'upstream_rate_limited', detail: 'Too many requests' }],
  error_dashscope: [[{ code: 'DataInspectionFailed', message: 'Output data may contain inappropriate content.', request_id: 'r' }], { code: 'upstream_content_refused', detail: 'Output data may contain inappropriate content.' }],
  error_minimax: [[{ choices: null, base_resp: { status_code: 1008, status_msg: 'insufficient balance' } }, DONE], { code: 'upstream_quota_empty', detail: 'insufficient balance' }],
  error_message_no_choices: [[{ choices: null, error_message: 'Internal Server Error' }, DONE], { code: 'upstream_failed', detail: 'Internal Server Error' }],
  error_key_masked: [[{ error: { message: 'Incorrect API key provided: sk-abcdefgh12345678', code: 'invalid_api_key' } }], { code: 'upstream_unauthorized', detail: 'Incorrect API key provided: sk-…' }],
  error_null: [[chunk({ content: 'a' }, 'stop', { error: null }), DONE], { text: 'a' }],
  error_empty_object: [[chunk({ content: 'a' }, 'stop', { error: {} }), DONE], { text: 'a' }],
  error_empty_string: [[chunk({ content: 'a' }, 'stop', { error: '' }), DONE], { text: 'a' }],
  error_false: [[chunk({ content: 'a' }, 'stop', { error: false }), DONE], { text: 'a' }],
  error_empty_members: [[chunk({ content: 'a' }, 'stop', { error: { code: 0, message: '', type: null } }), DONE], { text: 'a' }],
  base_resp_of_success: [[text('a'), chunk({}, 'stop', { base_resp: { status_code: 0, status_msg: '' } }), DONE], { text: 'a' }],
  // content of other kinds
  mistral_parts: [[ROLE, chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Let me think' }] }] }), chunk({ content: [{ type: 'text', text: 'The answer ' }] }), chunk({ content: [{ type: 'text', text: 'is 42' }] }), chunk({ content: '' }, 'stop', { usage: usage(10, 20) }), DONE], { text: 'The answer is 42', reasoning: 'Let me think', usage: [10, 20] }],
  parts_in_one: [[chunk({ content: [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }] }), STOP, DONE], { text: 'ab' }],
  reasoning_content: [[chunk({ reasoning_content: 'hm', content: null }), text('so'), STOP, DONE], { text: 'so', reasoning: 'hm' }],
  reasoning_text: [[chunk({ reasoning_text: 'hm', content: null }), text('so'), STOP, DONE], { text: 'so', reasoning: 'hm' }],
  reasoning_text_parts: [[chunk({ content: [{ type: 'reasoning_text', text: 'hm' }] }), chunk({ content: [{ type: 'text', text: 'so' }] }), STOP, DONE], { text: 'so', reasoning: 'hm' }],
  reasoning_item: [[chunk({ content: [{ type: 'reasoning', content: [{ type: 'reasoning_text', text: 'hm' }] }] }), text('so'), STOP, DONE], { text: 'so', reasoning: 'hm' }],
  reasoning_item_summary: [[chunk({ content: [{ type: 'reasoning', summary: [{ type: 'summary_text', text: 'hm' }] }, { type: 'output_text', text: 'so' }] }), STOP, DONE], { text: 'so', reasoning: 'hm' }],
  reasoning: [[chunk({ reasoning: 'hm', content: '' }), text('so'), STOP, DONE], { text: 'so', reasoning: 'hm' }],
  image_openrouter: [[text('Look'), chunk({ content: '', images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAABBBBCCCC' } }] }), STOP, DONE], { text: 'Look\n[image/png, 0.0 KiB]\n' }],
  image_part: [[chunk({ content: [{ type: 'image_url', image_url: { url: 'https://x.example/a.png' } }] }), STOP, DONE], { text: '\n![](https://x.example/a.png)\n' }],
  think_tags: [[text('<thi'), text('nk>\nlet me see'), text('\n</think>\n\n'), text('It is 42'), STOP, DONE], { text: 'It is 42', reasoning: 'let me see' }],
  think_in_one: [[text('<think>a</think>b'), STOP, DONE], { text: 'b', reasoning: 'a' }],
  think_empty: [[text('<think>\n\n</think>\n\n'), text('b'), STOP, DONE], { text: 'b' }],
  think_open: [[text('<think>a'), chunk({}, 'length'), DONE], { code: 'upstream_length_reached', reasoning: 'a', finish: 'length' }],
  think_end_alone_whole: [[chunk({ content: 'let me see\n</think>\n\nIt is 42' }, 'stop'), DONE], { text: 'It is 42', reasoning: 'let me see' }],
  think_end_alone_first: [[text('</think>\n\nIt is 42'), STOP, DONE], { text: 'It is 42' }],
  think_end_alone_later: [[text('let me see'), text('\n</th'), text('ink>\n\nIt is 42'), STOP, DONE], { text: 'let me see\n</think>\n\nIt is 42' }],
  think_end_quoted: [[text('The tag `</think>` ends it'), STOP, DONE], { text: 'The tag `</think>` ends it' }],
  think_later: [[text('Use <think>'), text(' tags</think>'), STOP, DONE], { text: 'Use <think> tags</think>' }],
  think_almost: [[text('<thi'), text('s is text'), STOP, DONE], { text: '<this is text' }],
  think_cut: [[text('<thi'), STOP, DONE], { text: '<thi' }],
  // tool calls
  tool_index: [[call({ index: 0, id: 'a', type: 'function', function: { name: 'w', arguments: '' } }), call({ index: 0, function: { arguments: '{"c":' } }), call({ index: 0, function: { arguments: '"P"}' } }), chunk({}, 'tool_calls'), DONE], { calls: [['w', '{"c":"P"}']], finish: 'tool_calls' }],
  tool_head_0_pieces_1: [[call({ index: 0, id: 'a', function: { name: 'w', arguments: '' } }), call({ index: 1, function: { arguments: '{"c":' } }), call({ index: 1, function: { arguments: '1}' } }), chunk({}, 'tool_calls'), DONE], { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  tool_id_in_each: [[call({ id: 'a', function: { name: 'w', arguments: '{"c":' } }), call({ id: 'a', function: { arguments: '1}' } }), chunk({}, 'tool_calls'), DONE], { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  tool_id_and_name_in_each: [[call({ id: 'a', function: { name: 'w', arguments: '{"c":' } }), call({ id: 'a', function: { name: 'w', arguments: '1}' } }), chunk({}, 'tool_calls'), DONE], { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  tool_alternating_ids: [[call({ id: 'a', function: { name: 'w', arguments: '' } }), call({ id: 'b', function: { name: 't', arguments: '' } }), call({ id: 'a', function: { arguments: '{"c":"P"}' } }), call({ id: 'b', function: { arguments: '{"z":"J"}' } }), chunk({}, 'tool_calls'), DONE], { calls: [['w', '{"c":"P"}'], ['t', '{"z":"J"}']], finish: 'tool_calls' }],
  tool_alternating_ids_index_0: [[call({ index: 0, id: 'a', function: { name: 'w', arguments: '' } }), call({ index: 0, id: 'b', function: { name: 't', arguments: '' } }), call({ index: 0, id: 'a', function: { arguments: '{"c":1}' } }), call({ index: 0, id: 'b', function: { arguments: '{"z":2}' } }), chunk({}, 'tool_calls'), DONE], { calls: [['w', '{"c":1}'], ['t', '{"z":2}']], finish: 'tool_calls' }],
  tool_neither: [[call({ function: { name: 'w', arguments: '{"c":' } }), call({ function: { arguments: '1}' } }), call({ function: { name: 't', arguments: '{}' } }), chunk({}, 'tool_calls'), DONE], { calls: [['w', '{"c":1}'], ['t', '{}']], finish: 'tool_calls' }],
  tool_object: [[call({ index: 0, id: 'a', function: { name: 'w', arguments: { c: 1 } } }), chunk({}, 'tool_calls'), DONE], { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  tool_no_arguments: [[call({ index: 0, id: 'a', function: { name: 'w' } }), STOP, DONE], { calls: [['w', '{}']], finish: 'tool_calls' }],
  tool_two_in_one: [[chunk({ tool_calls: [{ index: 0, id: 'a', function: { name: 'w', arguments: '{}' } }, { index: 1, id: 'b', function: { name: 't', arguments: '{}' } }] }), STOP, DONE], { calls: [['w', '{}'], ['t', '{}']], finish: 'tool_calls' }],
  tool_same_id_each_index: [[call({ index: 0, id: 'c', function: { name: 'w', arguments: '{}' } }), call({ index: 1, id: 'c', function: { name: 't', arguments: '{}' } }), STOP, DONE], { calls: [['w', '{}'], ['t', '{}']], finish: 'tool_calls' }],
  tool_cumulative: [[call({ index: 0, id: 'a', function: { name: 'w', arguments: '' } }), call({ index: 0, function: { arguments: '{"c' } }), call({ index: 0, function: { arguments: '{"c":' } }), call({ index: 0, function: { arguments: '{"c":"P' } }), call({ index: 0, function: { arguments: '{"c":"P"}' } }), call({ index: 0, function: { arguments: '{"c":"P"}' } }), chunk({}, 'tool_calls'), DONE], { calls: [['w', '{"c":"P"}']], finish: 'tool_calls' }],
  tool_cumulative_named: [[call({ index: 0, id: 'a', type: 'function', function: { name: 'w', arguments: '{"c": "\u{1F30A}' } }), call({ index: 0, id: 'a', type: 'function', function: { name: 'w', arguments: '{"c": "\u{1F30A} \\"x' } }), call({ index: 0, id: 'a', type: 'function', function: { name: 'w', arguments: '{"c": "\u{1F30A} \\"x\\""}' } }), STOP, DONE], { calls: [['w', '{"c": "\u{1F30A} \\"x\\""}']], finish: 'tool_calls' }],
  tool_cumulative_two: [[chunk({ tool_calls: [{ index: 0, id: 'a', function: { name: 'w', arguments: '{"c":' } }, { index: 1, id: 'b', function: { name: 't', arguments: '{' } }] }), chunk({ tool_calls: [{ index: 0, function: { arguments: '{"c":1}' } }, { index: 1, function: { arguments: '{"z":[2]}' } }] }), STOP, DONE], { calls: [['w', '{"c":1}'], ['t', '{"z":[2]}']], finish: 'tool_calls' }],
  tool_pieces_then_whole: [[call({ index: 0, id: 'a', function: { name: 'w', arguments: '{"c":' } }), call({ index: 0, function: { arguments: '1}' } }), call({ index: 0, function: { arguments: '{"c":1}' } }), STOP, DONE], { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  tool_nested_alike: [[call({ index: 0, id: 'a', function: { name: 'w', arguments: '{"c":' } }), call({ index: 0, function: { arguments: '{"c":1}}' } }), STOP, DONE], { calls: [['w', '{"c":{"c":1}}']], finish: 'tool_calls' }],
  tool_object_repeated: [[call({ index: 0, id: 'a', function: { name: 'w', arguments: { c: 1 } } }), call({ index: 0, id: 'a', function: { name: 'w', arguments: { c: 1 } } }), STOP, DONE], { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  tool_flat: [[call({ index: 0, id: 'a', name: 'w', arguments: '{"c":' }), call({ index: 0, arguments: '1}' }), chunk({}, 'tool_calls'), DONE], { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  tool_flat_object: [[call({ name: 'w', arguments: { c: 1 } }), STOP, DONE], { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  function_call: [[chunk({ role: 'assistant', content: null, function_call: { name: 'w', arguments: '' } }), chunk({ function_call: { arguments: '{"c":' } }), chunk({ function_call: { arguments: '"P"}' } }), chunk({}, 'function_call'), DONE], { calls: [['w', '{"c":"P"}']], finish: 'tool_calls' }],
  // usage
  usage_zero_last: [[chunk({ content: 'a' }, null, { usage: usage(9, 1) }), STOP, { choices: [], usage: usage(0, 0) }, DONE], { text: 'a', usage: [9, 1] }],
  usage_in_choice: [[text('a'), { choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage: usage(9, 3) }] }, DONE], { text: 'a', usage: [9, 3] }],
  usage_groq: [[text('a'), chunk({}, 'stop', { x_groq: { id: 'r', usage: usage(9, 3) } }), DONE], { text: 'a', usage: [9, 3] }],
  usage_each: [[chunk({ content: 'a' }, null, { usage: usage(9, 1) }), chunk({ content: 'b' }, null, { usage: usage(9, 2) }), chunk({}, 'stop', { usage: usage(9, 3) }), DONE], { text: 'ab', usage: [9, 3] }],
  usage_null: [[chunk({ content: 'a' }, null, { usage: null }), STOP, DONE], { text: 'a' }],
};

/** Answers of models that were seen to begin inside. */
const INSIDE = {
  plain: [[text('let me '), text('see\n'), text('</th'), text('ink>\n\n'), text('It is 42'), STOP, DONE], { text: 'It is 42', reasoning: 'let me see' }],
  tagged: [[text('<th'), text('ink>\nlet me see'), text('</think>It is 42'), STOP, DONE], { text: 'It is 42', reasoning: 'let me see' }],
  only_end: [[text('</think>'), text('It is 42'), STOP, DONE], { text: 'It is 42' }],
  no_end: [[text('It is '), text('42 \n'), STOP, DONE], { text: 'It is 42', reasoning: 'It is 42' }],
  cut: [[text('let me '), text('see'), chunk({}, 'length'), DONE], { code: 'upstream_length_reached', reasoning: 'let me see', finish: 'length' }],
  apart: [[chunk({ reasoning_content: 'hm' }), text('It is 42'), STOP, DONE], { text: 'It is 42', reasoning: 'hm' }],
  apart_later: [[text(' '), chunk({ reasoning_content: 'hm' }), text('It is 42'), STOP, DONE], { text: ' It is 42', reasoning: 'hm' }],
  call: [[call({ index: 0, id: 'a', function: { name: 'w', arguments: '{}' } }), STOP, DONE], { calls: [['w', '{}']], finish: 'tool_calls' }],
};

/** More of the same kinds, in the words of other services. */
const whole = (content, more = {}) => ({ object: 'chat.completion', choices: [{ index: 0, message: { role: 'assistant', content, ...more }, finish_reason: 'stop' }] });
const inText = (reason, want) => [[text('so'), chunk({}, reason), DONE], { text: 'so', ...want }];
const told = (error, code, detail, finish) => [[error, DONE], { code, detail, finish }];
const NEAR = {
  blanks: [[ROLE, text(' \n'), text('\n'), STOP, DONE], { code: 'upstream_empty', text: ' \n\n', finish: 'stop' }],
  null_word: [[ROLE, chunk({}, 'null'), DONE], { code: 'upstream_empty' }],
  reason_capitals: inText('MAX_TOKENS', { finish: 'length' }),
  reason_stop: inText('STOP', {}),
  reason_safety: inText('SAFETY', { finish: 'content_filter' }),
  reason_dash: inText('content-filter', { finish: 'content_filter' }),
  reason_eos: inText('eos_token', {}),
  reason_model_length: inText('model_length', { finish: 'length' }),
  reason_tool_use: [[call({ index: 0, id: 'a', function: { name: 'w', arguments: '{}' } }), chunk({}, 'tool_use'), DONE], { calls: [['w', '{}']], finish: 'tool_calls' }],
  reason_abort: inText('abort', { code: 'upstream_error', finish: 'error' }),
  whole_in_one: [[whole('hey'), DONE], { text: 'hey' }],
  whole_at_the_end: [[text('he'), text('y'), whole('hey'), DONE], { text: 'hey' }],
  whole_call: [[whole(null, { tool_calls: [{ id: 'a', function: { name: 'w', arguments: '{"c":1}' } }] }), DONE], { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  whole_usage: [[{ ...whole('hey'), usage: usage(3, 4) }, DONE], { text: 'hey', usage: [3, 4] }],
  choice_text: [[{ choices: [{ index: 0, text: 'hey', finish_reason: null }] }, { choices: [{ index: 0, text: '', finish_reason: 'stop' }] }, DONE], { text: 'hey' }],
  parts_texts: [[chunk({ content: ['he', 'y'] }), STOP, DONE], { text: 'hey' }],
  parts_without_type: [[chunk({ content: [{ text: 'hey' }] }), STOP, DONE], { text: 'hey' }],
  parts_output_text: [[chunk({ content: [{ type: 'output_text', text: 'hey' }] }), STOP, DONE], { text: 'hey' }],
  thinking_text: [[chunk({ content: [{ type: 'thinking', thinking: 'hm' }] }), text('so'), STOP, DONE], { text: 'so', reasoning: 'hm' }],
  reasoning_details: [[chunk({ reasoning_details: [{ type: 'reasoning.text', text: 'hm' }] }), text('so'), STOP, DONE], { text: 'so', reasoning: 'hm' }],
  reasoning_summary: [[chunk({ reasoning_details: [{ type: 'reasoning.summary', summary: 'hm' }] }), text('so'), STOP, DONE], { text: 'so', reasoning: 'hm' }],
  reasoning_twice: [[chunk({ reasoning: 'hm', reasoning_details: [{ type: 'reasoning.text', text: 'hm' }] }), text('so'), STOP, DONE], { text: 'so', reasoning: 'hm' }],
  usage_input_words: [[text('a'), chunk({}, 'stop', { usage: { input_tokens: 9, output_tokens: 3 } }), DONE], { text: 'a', usage: [9, 3] }],
  framed_twice: [[`data: ${JSON.stringify(text('hey'))}`, `data: ${JSON.stringify(STOP)}`, `data: ${DONE}`], { text: 'hey' }],
  image_string: [[chunk({ images: ['data:image/png;base64,AAAA'] }), STOP, DONE], { text: '\n[image/png, 0.0 KiB]\n' }],
  image_address: [[chunk({ images: [{ type: 'image_url', image_url: 'https://x.example/a.png' }] }), STOP, DONE], { text: '\n![](https://x.example/a.png)\n' }],
  image_source: [[chunk({ content: [{ type: 'image', source: { type: 'base64', media_type: 'image/gif', data: 'AAAA' } }] }), STOP, DONE], { text: '\n[image/gif, 0.0 KiB]\n' }],
  image_b64: [[chunk({ images: [{ b64_json: `iVBORw0KGgo${'A'.repeat(2037)}` }] }), STOP, DONE], { text: '\n[image/png, 1.5 KiB]\n' }],
  error_in_choice: told({ choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error', error: { code: 429, message: 'slow down' } }] }, 'upstream_rate_limited', 'slow down', 'error'),
  error_words: [[text('par'), ['error', 'Internal Server Error']], { code: 'upstream_failed', text: 'par', detail: 'Internal Server Error' }],
  error_balance: told({ code: 30001, message: 'Sorry, your account balance is insufficient', data: null }, 'upstream_quota_empty', 'Sorry, your account balance is insufficient'),
  error_daily: told({ error_code: 17, error_msg: 'Open api daily request limit reached' }, 'upstream_rate_limited', 'Open api daily request limit reached'),
  error_errors: told({ errors: { message: 'insufficient quota' }, request_id: 'r' }, 'upstream_quota_empty', 'insufficient quota'),
  error_litellm: told({ error: { message: 'litellm.ContextWindowExceededError: too much' } }, 'upstream_context_too_long', 'litellm.ContextWindowExceededError: too much'),
};

const WHOLE = {
  plain: [{ choices: [{ message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }], usage: usage(3, 4) }, { text: 'hello', usage: [3, 4] }],
  parts: [{ choices: [{ message: { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }, { type: 'text', text: 'so' }] }, finish_reason: 'stop' }] }, { text: 'so', reasoning: 'hm' }],
  think: [{ choices: [{ message: { content: '<think>hm</think>\n\nso' }, finish_reason: 'stop' }] }, { text: 'so', reasoning: 'hm' }],
  calls: [{ choices: [{ message: { content: null, tool_calls: [{ id: 'a', function: { name: 'w', arguments: '{"c":1}' } }] }, finish_reason: 'tool_calls' }] }, { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  calls_flat: [{ choices: [{ message: { content: null, tool_calls: [{ id: 'a', name: 'w', arguments: '{"c":1}' }] }, finish_reason: 'tool_calls' }] }, { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  reasoning_text: [{ choices: [{ message: { content: 'so', reasoning_text: 'hm' }, finish_reason: 'stop' }] }, { text: 'so', reasoning: 'hm' }],
  function_call: [{ choices: [{ message: { content: null, function_call: { name: 'w', arguments: '{"c":1}' } }, finish_reason: 'function_call' }] }, { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  empty: [{ choices: [{ message: { content: '' }, finish_reason: 'stop' }] }, { code: 'upstream_empty', finish: 'stop' }],
  filter: [{ choices: [{ message: { content: '' }, finish_reason: 'content_filter' }] }, { code: 'upstream_content_refused', finish: 'content_filter' }],
  nothing: [{ id: 'x' }, { code: 'upstream_bad_response' }],
  error: [{ error: { message: 'You exceeded your current quota', type: 'insufficient_quota', code: 'insufficient_quota' } }, { code: 'upstream_quota_empty', detail: 'You exceeded your current quota' }],
  error_in_list: [[{ error: { code: 400, message: 'API key not valid. Please pass a valid API key.', status: 'INVALID_ARGUMENT' } }], { code: 'upstream_unauthorized', detail: 'API key not valid. Please pass a valid API key.' }],
  in_list: [[whole('hey')], { text: 'hey' }],
  image: [{ choices: [{ message: { content: null, images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }, finish_reason: 'stop' }] }, { text: '\n[image/png, 0.0 KiB]\n' }],
  detail: [{ detail: 'Not Found' }, { code: 'upstream_error', detail: 'Not Found' }],
  error_message: [{ choices: null, error_message: 'model overloaded' }, { code: 'upstream_overloaded', detail: 'model overloaded' }],
};

// ---- Anthropic ----

const typed = (event) => [event.type, event];
const message = (more = {}) => typed({ type: 'message_start', message: { id: 'msg', type: 'message', role: 'assistant', content: [], model: 'claude', stop_reason: null, usage: { input_tokens: 25, cache_creation_input_tokens: 0, cache_read_input_tokens: 5, output_tokens: 1 }, ...more } });
const block = (index, content) => typed({ type: 'content_block_start', index, content_block: content });
const delta = (index, piece) => typed({ type: 'content_block_delta', index, delta: piece });
const blockEnd = (index) => typed({ type: 'content_block_stop', index });
const ended = (reason, output = 15) => typed({ type: 'message_delta', delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: output } });
const MESSAGE_STOP = typed({ type: 'message_stop' });
const said = (words) => [block(0, { type: 'text', text: '' }), delta(0, { type: 'text_delta', text: words }), blockEnd(0)];

const ANTHROPIC = {
  plain: [[message(), typed({ type: 'ping' }), ...said('hello'), ended('end_turn'), MESSAGE_STOP], { text: 'hello', usage: [30, 15] }],
  thinking: [[message(), block(0, { type: 'thinking', thinking: '' }), delta(0, { type: 'thinking_delta', thinking: 'hm' }), blockEnd(0), block(1, { type: 'text', text: '' }), delta(1, { type: 'text_delta', text: 'so' }), ended('end_turn'), MESSAGE_STOP], { text: 'so', reasoning: 'hm', usage: [30, 15] }],
  tool: [[message(), block(0, { type: 'tool_use', id: 't', name: 'w', input: {} }), delta(0, { type: 'input_json_delta', partial_json: '{"c":' }), delta(0, { type: 'input_json_delta', partial_json: '1}' }), blockEnd(0), ended('tool_use'), MESSAGE_STOP], { calls: [['w', '{"c":1}']], finish: 'tool_calls', usage: [30, 15] }],
  tool_whole: [[message(), block(0, { type: 'tool_use', id: 't', name: 'w', input: { c: 'P' } }), blockEnd(0), ended('tool_use'), MESSAGE_STOP], { calls: [['w', '{"c":"P"}']], finish: 'tool_calls', usage: [30, 15] }],
  tool_none: [[message(), block(0, { type: 'tool_use', id: 't', name: 'w', input: {} }), blockEnd(0), ended('tool_use'), MESSAGE_STOP], { calls: [['w', '{}']], finish: 'tool_calls', usage: [30, 15] }],
  text_in_begin: [[message(), block(0, { type: 'thinking', thinking: 'hm', signature: 's' }), blockEnd(0), block(1, { type: 'text', text: 'so' }), blockEnd(1), ended('end_turn'), MESSAGE_STOP], { text: 'so', reasoning: 'hm', usage: [30, 15] }],
  image: [[message(), block(0, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }), blockEnd(0), ended('end_turn'), MESSAGE_STOP], { text: '\n[image/png, 0.0 KiB]\n', usage: [30, 15] }],
  overloaded: [[typed({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })], { code: 'upstream_overloaded', detail: 'Overloaded' }],
  overloaded_later: [[message(), ...said('half'), typed({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })], { code: 'upstream_overloaded', text: 'half', usage: [30, 1], detail: 'Overloaded' }],
  low_balance: [[typed({ type: 'error', error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access the API.' } })], { code: 'upstream_quota_empty', detail: 'Your credit balance is too low to access the API.' }],
  too_long: [[typed({ type: 'error', error: { type: 'invalid_request_error', message: 'prompt is too long: 201000 tokens > 200000 maximum' } })], { code: 'upstream_context_too_long', detail: 'prompt is too long: 201000 tokens > 200000 maximum' }],
  empty: [[message(), ended('end_turn', 1), MESSAGE_STOP], { code: 'upstream_empty', finish: 'stop', usage: [30, 1] }],
  refusal: [[message(), ended('refusal', 1), MESSAGE_STOP], { code: 'upstream_content_refused', finish: 'content_filter', usage: [30, 1] }],
  max_tokens: [[message(), ...said('so'), ended('max_tokens'), MESSAGE_STOP], { text: 'so', finish: 'length', usage: [30, 15] }],
  done_word: [[message(), ...said('so'), ended('end_turn'), MESSAGE_STOP, DONE], { text: 'so', usage: [30, 15] }],
  cut: [[message(), ...said('half')], { code: 'upstream_incomplete', text: 'half', usage: [30, 1] }],
};

const ANTHROPIC_WHOLE = {
  plain: [{ type: 'message', content: [{ type: 'text', text: 'hello' }], stop_reason: 'end_turn', usage: { input_tokens: 2, output_tokens: 3 } }, { text: 'hello', usage: [2, 3] }],
  empty: [{ type: 'message', content: [], stop_reason: 'end_turn', usage: { input_tokens: 2, output_tokens: 0 } }, { code: 'upstream_empty', finish: 'stop', usage: [2, 0] }],
  error: [{ type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } }, { code: 'upstream_unauthorized', detail: 'invalid x-api-key' }],
};

// ---- Gemini ----

const candidate = (parts, more = {}) => ({ candidates: [{ content: { parts, role: 'model' }, index: 0, ...more }] });
const counts = (input, output) => ({ usageMetadata: { promptTokenCount: input, candidatesTokenCount: output } });

const GEMINI = {
  plain: [[candidate([{ text: 'hel' }]), { ...candidate([{ text: 'lo' }], { finishReason: 'STOP' }), ...counts(4, 5) }], { text: 'hello', usage: [4, 5] }],
  stop_in_each: [[candidate([{ text: 'hel' }], { finishReason: 'STOP' }), candidate([{ text: 'lo' }], { finishReason: 'STOP' })], { text: 'hello' }],
  thoughts: [[candidate([{ text: 'hm', thought: true }]), candidate([{ text: 'so' }], { finishReason: 'STOP' })], { text: 'so', reasoning: 'hm' }],
  call: [[candidate([{ functionCall: { name: 'w', args: { c: 1 } }, thoughtSignature: 'S' }], { finishReason: 'STOP' })], { calls: [['w', '{"c":1}']], finish: 'tool_calls' }],
  call_no_args: [[candidate([{ functionCall: { name: 'w', args: {} } }], { finishReason: 'STOP' })], { calls: [['w', '{}']], finish: 'tool_calls' }],
  image: [[candidate([{ text: 'Look' }, { inlineData: { mimeType: 'image/png', data: 'A'.repeat(2048) } }], { finishReason: 'STOP' })], { text: 'Look\n[image/png, 1.5 KiB]\n' }],
  code: [[candidate([{ text: 'Let me count.' }]), candidate([{ executableCode: { language: 'PYTHON', code: 'print(6*7)' } }]), candidate([{ codeExecutionResult: { outcome: 'OUTCOME_OK', output: '42\n' } }]), candidate([{ text: 'It is 42' }], { finishReason: 'STOP' })], { text: 'Let me count.\n```python\nprint(6*7)\n```\n\n```output\n42\n```\nIt is 42' }],
  code_in_one: [[candidate([{ text: 'a' }, { executableCode: { language: 'PYTHON', code: 'f()' } }, { codeExecutionResult: { outcome: 'OUTCOME_FAILED', output: 'no f' } }, { text: 'b' }], { finishReason: 'STOP' })], { text: 'a\n```python\nf()\n```\n\n```failed\nno f\n```\nb' }],
  code_only: [[candidate([{ executableCode: { language: 'LANGUAGE_UNSPECIFIED', code: '```' } }], { finishReason: 'STOP' })], { text: '\n````\n```\n````\n' }],
  code_without_output: [[candidate([{ codeExecutionResult: { outcome: 'OUTCOME_DEADLINE_EXCEEDED' } }], { finishReason: 'STOP' })], { text: '\n```deadline_exceeded\n```\n' }],
  empty_stop: [[{ candidates: [{ finishReason: 'STOP', index: 0 }], ...counts(4, 0) }], { code: 'upstream_empty', finish: 'stop', usage: [4, 0] }],
  empty_parts: [[candidate([{ text: '' }], { finishReason: 'STOP' })], { code: 'upstream_empty', finish: 'stop' }],
  safety: [[{ candidates: [{ finishReason: 'SAFETY', index: 0, safetyRatings: [] }] }], { code: 'upstream_content_refused', finish: 'content_filter' }],
  safety_after_text: [[candidate([{ text: 'so' }]), { candidates: [{ finishReason: 'SAFETY', index: 0 }] }], { text: 'so', finish: 'content_filter' }],
  prompt_blocked: [[{ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } }], { code: 'upstream_content_refused', finish: 'content_filter' }],
  max_tokens: [[candidate([], { finishReason: 'MAX_TOKENS' })], { code: 'upstream_length_reached', finish: 'length' }],
  malformed: [[{ candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL' }] }], { code: 'upstream_error', finish: 'MALFORMED_FUNCTION_CALL' }],
  image_elsewhere: [[candidate([{ fileData: { mimeType: 'image/png', fileUri: 'https://x.example/a.png' } }], { finishReason: 'STOP' })], { text: '\n![](https://x.example/a.png)\n' }],
  no_image: [[{ candidates: [{ finishReason: 'NO_IMAGE' }] }], { code: 'upstream_error', finish: 'error' }],
  image_refused: [[{ candidates: [{ finishReason: 'IMAGE_PROHIBITED_CONTENT' }] }], { code: 'upstream_content_refused', finish: 'content_filter' }],
  unavailable: [[{ error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } }], { code: 'upstream_overloaded', detail: 'The model is overloaded.' }],
  quota: [[{ error: { code: 429, message: 'You exceeded your current quota', status: 'RESOURCE_EXHAUSTED' } }], { code: 'upstream_rate_limited', detail: 'You exceeded your current quota' }],
  key: [[{ error: { code: 400, message: 'API key not valid.', status: 'INVALID_ARGUMENT', details: [{ reason: 'API_KEY_INVALID' }] } }], { code: 'upstream_unauthorized', detail: 'API key not valid.' }],
};

// ---- Ollama ----

const line = (content, more = {}) => ({ model: 'm', message: { role: 'assistant', content, ...more }, done: false });
const last = (reason, more = {}) => ({ model: 'm', message: { role: 'assistant', content: '' }, done: true, done_reason: reason, prompt_eval_count: 4, eval_count: 5, ...more });

const OLLAMA = {
  plain: [[line('hel'), line('lo'), last('stop')], { text: 'hello', usage: [4, 5] }],
  thinking: [[line('', { thinking: 'hm' }), line('so'), last('stop')], { text: 'so', reasoning: 'hm', usage: [4, 5] }],
  think_tags: [[line('<think>'), line('hm</th'), line('ink>so'), last('stop')], { text: 'so', reasoning: 'hm', usage: [4, 5] }],
  call: [[line('', { tool_calls: [{ function: { name: 'w', arguments: { c: 1 } } }] }), last('stop')], { calls: [['w', '{"c":1}']], finish: 'tool_calls', usage: [4, 5] }],
  call_flat: [[line('', { tool_calls: [{ name: 'w', arguments: { c: 1 } }] }), last('stop')], { calls: [['w', '{"c":1}']], finish: 'tool_calls', usage: [4, 5] }],
  two_calls: [[line('', { tool_calls: [{ function: { name: 'w', arguments: { c: 1 } } }] }), line('', { tool_calls: [{ function: { name: 'w', arguments: { c: 2 } } }] }), last('stop')], { calls: [['w', '{"c":1}'], ['w', '{"c":2}']], finish: 'tool_calls', usage: [4, 5] }],
  image: [[line('', { images: [`/9j/${'A'.repeat(2044)}`] }), last('stop')], { text: '\n[image/jpeg, 1.5 KiB]\n', usage: [4, 5] }],
  length: [[line('so'), last('length')], { text: 'so', finish: 'length', usage: [4, 5] }],
  empty: [[last('stop')], { code: 'upstream_empty', finish: 'stop', usage: [4, 5] }],
  empty_load: [[last('load')], { code: 'upstream_empty', finish: 'load', usage: [4, 5] }],
  error: [[{ error: 'model "x" not found, try pulling it first' }], { code: 'upstream_model_unknown', detail: 'model "x" not found, try pulling it first' }],
  error_later: [[line('half'), { error: 'an error was encountered: context window exceeded' }], { code: 'upstream_context_too_long', text: 'half', detail: 'an error was encountered: context window exceeded' }],
  cut: [[line('half')], { code: 'upstream_incomplete', text: 'half' }],
};

// ---- framing ----

const asText = (data) => (typeof data === 'string' ? data : JSON.stringify(data));
const framed = (events, { end = '\n\n', space = ' ', between = '\n' } = {}) => events.map((event) => {
  const [name, data] = Array.isArray(event) ? event : [null, event];
  return `${name ? `event:${space}${name}${between}` : ''}data:${space}${asText(data)}${end}`;
}).join('');
const trimmed = (body, n) => body.slice(0, body.length - n);

/** The ways in which a stream of the same events comes: name -> [type, body]. */
const FRAMINGS = {
  plain: (events) => [SSE, framed(events)],
  charset: (events) => ['Text/Event-Stream; charset=utf-8', framed(events, { space: '' })],
  crlf: (events) => [SSE, framed(events, { end: '\r\n\r\n', between: '\r\n' })],
  cr: (events) => [SSE, framed(events, { end: '\r\r', between: '\r' })],
  one_newline: (events) => [SSE, framed(events, { end: '\n' })],
  no_last_blank: (events) => [SSE, trimmed(framed(events), 1)],
  no_last_newline: (events) => [SSE, trimmed(framed(events), 2)],
  as_json: (events) => [JSON_TYPE, framed(events)],
  as_html: (events) => ['text/html', framed(events)],
  no_type: (events) => ['', framed(events)],
  bom: (events) => [SSE, `\uFEFF${framed(events)}`],
  blanks_and_bom: (events) => [SSE, `\n\n\uFEFF${framed(events)}`],
  comments: (events) => [SSE, `: OPENROUTER PROCESSING\n\n${framed(events, { end: '\n\n: x\n\n' })}`],
  ids: (events) => [SSE, framed(events).replace(/^data:/gm, 'id: 7\nretry: 9\ndata:')],
};
const FEW_FRAMINGS = { plain: FRAMINGS.plain, one_newline: FRAMINGS.one_newline, as_json: FRAMINGS.as_json };
const LINE_FRAMINGS = {
  plain: (events) => [LINES, events.map((e) => `${asText(e)}\n`).join('')],
  crlf: (events) => [LINES, events.map((e) => `${asText(e)}\r\n`).join('')],
  blank_lines: (events) => [LINES, events.map((e) => `${asText(e)}\n\n`).join('')],
  no_last_newline: (events) => [LINES, events.map((e) => asText(e)).join('\n')],
  as_json: (events) => [JSON_TYPE, events.map((e) => `${asText(e)}\n`).join('')],
  as_events: (events) => [SSE, framed(events)],
  bom: (events) => [LINES, `\uFEFF${events.map((e) => `${asText(e)}\n`).join('')}`],
};
const WHOLE_FRAMINGS = {
  plain: (body) => [JSON_TYPE, JSON.stringify(body)],
  pretty: (body) => [JSON_TYPE, `\n${JSON.stringify(body, null, 2)}\n`],
  as_events: (body) => [SSE, JSON.stringify(body)],
  as_html: (body) => ['text/html', JSON.stringify(body)],
  bom: (body) => [JSON_TYPE, `\uFEFF${JSON.stringify(body)}`],
};

/** Nobody ends a list of chunks with a word in it. */
const asList = ([events, want]) => [events.filter((e) => typeof e === 'object').map((e) => (Array.isArray(e) ? e[1] : e)), want];

const complete = (want) => ({ text: '', reasoning: '', calls: [], usage: [-1, -1], ...want, finish: want.finish ?? (want.code ? '' : 'stop') });

function cases(provider, table, framings, prefix = '') {
  return Object.entries(table).flatMap(([name, [content, want]]) => Object.entries(framings).map(([framing, frame]) => {
    const [type, body] = frame(content);
    return { name: `${prefix}${name}/${framing}`, provider, type, body, want: complete(want) };
  }));
}

// ---- bytes that are no text, and bodies that are none of the above ----

const bytes = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part))).toString('base64');
const BAD_UTF8 = bytes('data: {"choices":[{"delta":{"content":"', [0xe5, 0xbe, 0x88, 0x20, 0xe5, 0xbd], ' ok"}}]}\n\n', framed([text(' and more'), STOP, DONE]));
const ODD = [
  { name: 'bad_utf8', type: SSE, base64: BAD_UTF8, want: { text: '很 \uFFFD ok and more' } },
  { name: 'bad_utf8_lone', type: SSE, base64: bytes('data: {"choices":[{"delta":{"content":"a', [0xff], 'b"}}]}\n\n', framed([STOP, DONE])), want: { text: 'a\uFFFDb' } },
  { name: 'control_in_text', type: SSE, body: `data: {"choices":[{"delta":{"content":"a\tb"}}]}\n\n${framed([STOP, DONE])}`, want: { text: 'a\tb' } },
  { name: 'nan', type: SSE, body: `data: {"choices":[{"delta":{"content":"NaN a"},"logprobs":NaN}]}\n\ndata: {"choices":[{"delta":{"content":" Infinity"},"x":[Infinity,-Infinity]}]}\n\n${framed([STOP, DONE])}`, want: { text: 'NaN a Infinity' } },
  { name: 'half_pair', type: SSE, body: `data: {"choices":[{"delta":{"content":"\\ud83c"}}]}\n\ndata: {"choices":[{"delta":{"content":"\\udf0a"}}]}\n\n${framed([STOP, DONE])}`, want: { text: '🌊' } },
  { name: 'cut_event', type: SSE, body: `${framed([text('half')])}data: {"choices":[{"de`, want: { code: 'upstream_incomplete', text: 'half' } },
  { name: 'broken_event', type: SSE, body: `${framed([text('half')])}data: {oops\n\n${framed([text('x'), STOP, DONE])}`, want: { code: 'upstream_bad_response', text: 'half' } },
  { name: 'after_done', type: SSE, body: `${framed([text('a'), STOP, DONE])}data: {"choices":[{"delta":{"content":"never"}}]}\n\ndata: {oops\n\n`, want: { text: 'a' } },
  { name: 'several_lines', type: SSE, body: `data: {"choices":[{\ndata: "delta":{"content":"a"}\ndata: }]}\n\n${framed([STOP, DONE])}`, want: { text: 'a' } },
  { name: 'page', type: 'text/html', body: '<!doctype html><title>502</title>', want: { code: 'upstream_bad_response' } },
  { name: 'page_as_events', type: SSE, body: '\n<html></html>', want: { code: 'upstream_bad_response' } },
  { name: 'words', type: 'text/plain', body: 'upstream connect error', want: { code: 'upstream_bad_response' } },
  { name: 'words_as_events', type: SSE, body: 'upstream connect error', want: { code: 'upstream_incomplete' } },
  { name: 'blanks', type: SSE, body: '\n\n \r\n', want: { code: 'upstream_empty' } },
  { name: 'comments_only', type: SSE, body: ': a\n\n: b\n\n', want: { code: 'upstream_incomplete' } },
  { name: 'json_cut', type: JSON_TYPE, body: '{"choices":[{"mess', want: { code: 'upstream_bad_response' } },
  { name: 'bare_lines', type: LINES, body: OPENAI.plain[0].map((e) => `${asText(e)}\n`).join(''), want: OPENAI.plain[1] },
  { name: 'bare_lines_as_events', type: SSE, body: OPENAI.plain[0].map((e) => `${asText(e)}\n\n`).join(''), want: OPENAI.plain[1] },
  { name: 'chunks_in_a_list', type: JSON_TYPE, body: JSON.stringify(asList(OPENAI.plain)[0]), want: OPENAI.plain[1] },
];

// ---- packed bodies, with the label that is right, another one, or none ----

const HELLO = { type: SSE, body: framed(OPENAI.plain[0]), want: OPENAI.plain[1] };
const REFUSED = { type: JSON_TYPE, body: JSON.stringify(WHOLE.error[0]), want: WHOLE.error[1] };
const SHORT = { type: SSE, body: `data: ${DONE}\n\n`, want: { code: 'upstream_empty' } };
const CODINGS = {
  gzip_no_label: { packed: ['gzip'] },
  zlib_no_label: { packed: ['zlib'] },
  gzip_identity: { packed: ['gzip'], label: 'identity' },
  gzip_unknown_label: { packed: ['gzip'], label: 'utf-8' },
  plain_as_gzip: { label: 'gzip' },
  plain_as_deflate: { label: 'deflate' },
  plain_unknown_label: { label: 'utf-8' },
  plain_as_both: { label: 'deflate, gzip' },
  gzip_as_deflate: { packed: ['gzip'], label: 'deflate' },
  zlib_as_gzip: { packed: ['zlib'], label: 'gzip' },
  gzip_capitals: { packed: ['gzip'], label: ' GZip ' },
  x_gzip: { packed: ['gzip'], label: 'x-gzip' },
  deflate_zlib: { packed: ['zlib'], label: 'deflate' },
  deflate_bare: { packed: ['bare'], label: 'deflate' },
  label_twice: { packed: ['gzip'], label: 'gzip, gzip' },
  label_twice_deflate: { packed: ['bare'], label: 'deflate,deflate' },
  packed_twice: { packed: ['gzip', 'gzip'], label: 'gzip, gzip' },
  packed_twice_label_once: { packed: ['gzip', 'gzip'], label: 'gzip' },
  packed_twice_no_label: { packed: ['gzip', 'gzip'] },
  packed_in_two_ways: { packed: ['bare', 'gzip'], label: 'deflate, gzip' },
};
const PACKED = [
  ...Object.entries(CODINGS).flatMap(([name, coding]) => [
    { name: `${name}/stream`, ...HELLO, ...coding },
    { name: `${name}/error`, ...REFUSED, ...coding },
    { name: `${name}/short`, ...SHORT, ...coding },
  ]),
  { name: 'packed_three_times', ...HELLO, packed: ['gzip', 'gzip', 'gzip'], label: 'gzip', want: { code: 'upstream_bad_response' } },
  { name: 'packed_bare_no_label', ...HELLO, packed: ['bare'], want: { code: 'upstream_bad_response' } },
  { name: 'packed_broken', type: SSE, base64: bytes([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], 'no deflate'), want: { code: 'upstream_bad_response' } },
  { name: 'packed_other', type: SSE, base64: bytes([0x1f, 0x9d, 0x90, 0x64, 0xc2]), label: 'compress', want: { code: 'upstream_bad_response' } },
];

/** name -> the lines of that file. */
export const FILES = {
  openai: [
    ...cases('openai', OPENAI, FRAMINGS),
    ...cases('openai', NEAR, FEW_FRAMINGS),
    ...cases('openai', INSIDE, FEW_FRAMINGS, 'inside_').map((one) => ({ ...one, inside: true })),
    ...cases('openai', WHOLE, WHOLE_FRAMINGS, 'whole_'),
    ...PACKED.map(({ name, want, ...rest }) => ({ name: `coding_${name}`, provider: 'openai', ...rest, want: complete(want) })),
    ...ODD.map(({ name, want, ...rest }) => ({ name, provider: 'openai', ...rest, want: complete(want) })),
  ],
  anthropic: [...cases('anthropic', ANTHROPIC, FRAMINGS), ...cases('anthropic', ANTHROPIC_WHOLE, WHOLE_FRAMINGS, 'whole_')],
  gemini: [
    ...cases('gemini', GEMINI, FRAMINGS),
    ...Object.entries(GEMINI).map(([name, one]) => ({ name: `${name}/list`, provider: 'gemini', type: JSON_TYPE, body: `[${one[0].map(asText).join(',\r\n')}]`, want: complete(one[1]) })),
  ],
  ollama: [
    ...cases('ollama', OLLAMA, LINE_FRAMINGS),
    { name: 'error/pretty', provider: 'ollama', type: JSON_TYPE, body: '{\n  "error": "overloaded"\n}\n', want: complete({ code: 'upstream_overloaded', detail: 'overloaded' }) },
  ],
};

export const fileOf = (lines) => lines.map((one) => `${JSON.stringify(one)}\n`).join('');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, lines] of Object.entries(FILES)) {
    writeFileSync(new URL(`${name}.jsonl`, import.meta.url), fileOf(lines));
  }
}
