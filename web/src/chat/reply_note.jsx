// Below a reply that did not end as it should: why, and what can be done.
import { t } from '../i18n/index.js';
import { retry } from '../state/chat.js';
import { modelOf } from '../state/choice.js';
import { settingsLink } from '../state/route.js';
import { Icon } from '../ui/icon.jsx';

const BY_STATUS = { stopped: 'reply_stopped', interrupted: 'reply_interrupted', error: 'reply_failed' };
const BY_REASON = { length: 'reply_cut', content_filter: 'reply_filtered' };
/** Errors that a change of the model's configuration may end. */
const CONFIGURATION = /^(dns_failed|invalid_header|unknown_provider|upstream_(bad_response|connect_timeout|line_too_long|not_found|rate_limited|refused|rejected|tls_failed|unauthorized))$/;

/** The text of `shutting_down` speaks of now: it is not true any more when it is read later. */
const reasonOf = (error, key) => (error && error.code !== 'shutting_down' ? error.message : t(key));

export function ReplyNote({ chat, message }) {
  const { error, finishReason, status } = message;
  const key = BY_STATUS[status] ?? BY_REASON[finishReason];
  if (!key) return null;
  const failed = status === 'error' || status === 'interrupted';
  return (
    <div class={`reply-note ${status}`} role={failed && message.endedHere ? 'alert' : undefined}>
      <Icon name={status === 'stopped' ? 'stop' : 'warning'} />
      <span>{reasonOf(error, key)}</span>
      {CONFIGURATION.test(error?.code) && <a href={settingsLink('models')}>{t('settings')}</a>}
      {(failed || finishReason === 'content_filter') && (
        <button type="button" class="button" disabled={chat.busy.value || !message.id}
          onClick={() => retry(chat, message, modelOf(chat))}>
          {t('try_again')}
        </button>
      )}
    </div>
  );
}
