// What a connection test found, in words that say what to do.
import { t } from '../i18n/index.js';
import { formatNumber } from '../ui/format.js';

const WORDS = {
  upstream_unauthorized: 'test_key_refused',
  upstream_not_found: 'test_not_found',
  upstream_rejected: 'test_rejected',
  upstream_rate_limited: 'test_limit',
  upstream_overloaded: 'test_overloaded',
  upstream_refused: 'test_no_answer',
  upstream_connect_timeout: 'test_no_answer',
  upstream_timeout: 'test_slow',
  upstream_stalled: 'test_slow',
  upstream_tls_failed: 'test_insecure',
  dns_failed: 'test_no_host',
  upstream_bad_response: 'test_no_model',
  upstream_line_too_long: 'test_no_model',
};

export function testWords({ ok, text, code, status, latency_ms: latency, ttft_ms: first }) {
  if (ok) return t('test_good', { first: formatNumber(first ?? latency), all: formatNumber(latency) });
  return text ?? t(WORDS[code] ?? 'test_failed', { code: code ?? '', status: status ?? 0 });
}
