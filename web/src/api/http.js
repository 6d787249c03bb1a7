// One place for requests to the server: addresses, JSON, errors. The page lives at any path, so every address is made
// from the page's own; the login is the server's cookie, which scripts cannot read.
import { language, t } from '../i18n/index.js';

export class ApiError extends Error {
  /** `status` 0: the server could not be reached. */
  constructor(status, code, message, retryAfter = 0) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed a little later. */
  get passing() {
    return this.status === 0 || this.status === 503 || this.code === 'bad_gateway';
  }
}

export function address(path, query = {}) {
  const url = new URL(`api/${path}`, document.baseURI);
  url.hash = '';
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, value);
  }
  return url;
}

let onSignedOut = () => {};

/** `handler` is called when the server says that nobody is logged in (any more). */
export function setSignedOutHandler(handler) {
  onSignedOut = handler;
}

/** The error that an answer describes. A gateway in front of the server answers 502 and 504 without our JSON. */
export function errorOf(status, text, retryAfter) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = null;
  }
  if (status === 401 && body?.code !== 'invalid_credentials') onSignedOut();
  if (typeof body?.error !== 'string') {
    const gateway = status >= 502 && status <= 504;
    return new ApiError(status, gateway ? 'bad_gateway' : '', t('error_status', { status }), retryAfter);
  }
  return new ApiError(status, body.code, body.error, retryAfter);
}

/** The answer to a request, whatever its body is; throws ApiError. */
export async function send(method, path, { body, query, headers, signal, keepalive } = {}) {
  let answer;
  try {
    answer = await fetch(address(path, query), {
      method,
      credentials: 'same-origin',
      headers: {
        'Accept-Language': language.value,
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      keepalive,
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', t('error_unreachable'));
  }
  if (answer.ok) return answer;
  const text = await answer.text().catch(() => '');
  throw errorOf(answer.status, text, Number(answer.headers.get('Retry-After')) || 0);
}

/** The JSON of the answer. */
export async function request(method, path, options) {
  const answer = await send(method, path, options);
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', t('error_unreachable'));
  }
}
