// A server that speaks the part of Amazon's S3 API that is used here, and checks each request as Amazon does:
// signature (AWS Signature Version 4, the steps of AWS' "Create a signed AWS API request"), its age, and the
// SHA-256 of the body.
import { createHash, createHmac } from 'node:crypto';
import { createServer } from 'node:http';

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');
const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const escape = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

export class Bucket {
  objects = new Map(); // name -> { bytes, modified }
  uploads = new Map(); // id -> { name, parts }
  requests = []; // "METHOD name?query"
  headers = []; // of these
  failures = []; // each: { status, code } of a next request, or { hang: true }, or { reset: true }
  pageSize = 1000;
  checksRange = true;

  constructor({ name = 'tides', accessKey = 'AKIDEXAMPLE', secretKey = 'a/secret+key', region = 'eu-test-1' } = {}) {
    Object.assign(this, { name, accessKey, secretKey, region });
    this.server = createServer((request, response) => this.#serve(request, response));
  }

  async start() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  /** What a server needs to use it. */
  env(folder = '') {
    return {
      TIDETALK_FILES_URL: `s3://${this.name}${folder && `/${folder}`}`, TIDETALK_S3_ENDPOINT: this.url,
      TIDETALK_S3_REGION: this.region, TIDETALK_S3_ACCESS_KEY: this.accessKey,
      TIDETALK_S3_SECRET_KEY: this.secretKey,
    };
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => { this.server.close(resolve); });
  }

  #signature(request, url) {
    const [, credential, signed, signature] =
      /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/
        .exec(request.headers.authorization ?? '') ?? [];
    if (!credential) return 'AccessDenied';
    const [key, ...scope] = credential.split('/');
    const date = request.headers['x-amz-date'] ?? '';
    const at = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
    if (key !== this.accessKey) return 'InvalidAccessKeyId';
    if (!(Math.abs(Date.now() - at) < 15 * 60_000)) return 'RequestTimeTooSkewed';
    if (scope.join('/') !== `${date.slice(0, 8)}/${this.region}/s3/aws4_request`) return 'AuthorizationHeaderMalformed';
    const names = signed.split(';');
    for (const name of ['host', 'x-amz-date', 'x-amz-content-sha256'])
      if (!names.includes(name)) return 'AccessDenied';
    for (const name of Object.keys(request.headers)) // those that change what is done must be signed
      if (name.startsWith('x-amz-') && !names.includes(name)) return 'AccessDenied';
    const query = [...url.searchParams].map(([name, value]) => `${encode(name)}=${encode(value)}`).sort().join('&');
    const canonical = [request.method, url.pathname, query,
      ...names.map((name) => `${name}:${request.headers[name].trim().replace(/ +/g, ' ')}`), '', signed,
      request.headers['x-amz-content-sha256']].join('\n');
    const text = ['AWS4-HMAC-SHA256', date, scope.join('/'), hash(canonical)].join('\n');
    const signing = scope.reduce((last, part) => hmac(last, part), `AWS4${this.secretKey}`);
    return hmac(signing, text).toString('hex') === signature ? '' : 'SignatureDoesNotMatch';
  }

  async #serve(request, response) {
    const pieces = [];
    try {
      for await (const piece of request) pieces.push(piece);
    } catch {
      return; // the other side left
    }
    const body = Buffer.concat(pieces);
    const url = new URL(request.url, this.url);
    const [, bucket, ...rest] = url.pathname.split('/');
    const name = decodeURIComponent(rest.join('/'));
    this.requests.push(`${request.method} ${name}${url.search}`);
    this.headers.push(request.headers);
    const refuse = (status, code) => this.#answer(response, status,
      `<?xml version="1.0"?><Error><Code>${code}</Code><Message>It is ${code}.</Message></Error>`);
    const failure = this.failures.shift();
    if (failure?.hang) return;
    if (failure?.reset) { request.socket.resetAndDestroy(); return; }
    if (failure) { refuse(failure.status, failure.code); return; }
    const wrong = this.#signature(request, url);
    if (wrong) { refuse(403, wrong); return; }
    if (hash(body) !== request.headers['x-amz-content-sha256']) { refuse(400, 'XAmzContentSHA256Mismatch'); return; }
    if (bucket !== this.name) { refuse(404, 'NoSuchBucket'); return; }
    const done = name ? this.#object(request, url.searchParams, name, body, response) : this.#list(url.searchParams, response);
    if (done) refuse(done.status, done.code);
  }

  #answer(response, status, text = '', headers = {}) {
    response.writeHead(status, { 'Content-Length': Buffer.byteLength(text), ...headers });
    response.end(text);
  }

  #object(request, query, name, body, response) {
    const upload = this.uploads.get(query.get('uploadId'));
    if (query.has('uploadId') && upload?.name !== name) return { status: 404, code: 'NoSuchUpload' };
    if (request.method === 'POST' && query.has('uploads')) {
      const id = `upload/${this.uploads.size + 1}+x`;
      this.uploads.set(id, { name, parts: new Map() });
      this.#answer(response, 200, '<InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        + `<Bucket>${this.name}</Bucket><Key>${escape(name)}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
    } else if (request.method === 'PUT' && upload) {
      upload.parts.set(Number(query.get('partNumber')), body);
      this.#answer(response, 200, '', { ETag: `"${hash(body).slice(0, 32)}"` });
    } else if (request.method === 'POST' && upload) {
      return this.#complete(query.get('uploadId'), upload, body.toString(), response);
    } else if (request.method === 'DELETE' && upload) {
      this.uploads.delete(query.get('uploadId'));
      this.#answer(response, 204);
    } else if (request.method === 'PUT') {
      this.objects.set(name, { bytes: body, modified: new Date() });
      this.#answer(response, 200, '', { ETag: `"${hash(body).slice(0, 32)}"` });
    } else if (request.method === 'DELETE') {
      this.objects.delete(name);
      this.#answer(response, 204);
    } else if (request.method === 'GET') {
      return this.#read(request, name, response);
    } else {
      return { status: 405, code: 'MethodNotAllowed' };
    }
  }

  #complete(id, upload, text, response) {
    const parts = [...text.matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag>/g)];
    const bytes = parts.map(([, number]) => upload.parts.get(Number(number)));
    const matches = parts.every(([, , tag], index) =>
      bytes[index] && tag.replace(/&quot;/g, '"') === `"${hash(bytes[index]).slice(0, 32)}"`);
    if (parts.length === 0 || !matches) return { status: 400, code: 'InvalidPart' };
    if (bytes.slice(0, -1).some((part) => part.length < 5 << 20)) return { status: 400, code: 'EntityTooSmall' };
    this.uploads.delete(id);
    this.objects.set(upload.name, { bytes: Buffer.concat(bytes), modified: new Date() });
    this.#answer(response, 200, '<?xml version="1.0" encoding="UTF-8"?>\n\n<CompleteMultipartUploadResult/>');
  }

  #read(request, name, response) {
    const object = this.objects.get(name);
    if (!object) return { status: 404, code: 'NoSuchKey' };
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const size = object.bytes.length;
    if (first === undefined) {
      response.writeHead(200, { 'Content-Length': size });
      response.end(object.bytes);
    } else if (Number(first) >= size) {
      response.writeHead(416, { 'Content-Range': `bytes */${size}`, 'Content-Length': 0 });
      response.end();
    } else {
      const part = object.bytes.subarray(Number(first), Number(last) + 1);
      response.writeHead(206, { 'Content-Length': part.length,
        'Content-Range': `bytes ${first}-${Number(first) + part.length - 1}/${size}` });
      response.end(part);
    }
  }

  #list(query, response) {
    if (query.get('list-type') !== '2') return { status: 400, code: 'InvalidRequest' };
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? '';
    const names = [...this.objects.keys()].filter((name) => name.startsWith(prefix) && name > after).sort();
    const page = names.slice(0, this.pageSize);
    const more = names.length > page.length;
    this.#answer(response, 200, '<?xml version="1.0" encoding="UTF-8"?>\n'
      + '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
      + `<Name>${this.name}</Name><Prefix>${escape(prefix)}</Prefix><IsTruncated>${more}</IsTruncated>`
      + (more ? `<NextContinuationToken>${escape(page.at(-1))}</NextContinuationToken>` : '')
      + page.map((name) => `<Contents><Key>${escape(name)}</Key>`
        + `<LastModified>${this.objects.get(name).modified.toISOString()}</LastModified>`
        + `<Size>${this.objects.get(name).bytes.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`).join('')
      + '</ListBucketResult>');
  }
}
