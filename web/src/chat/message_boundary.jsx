// One message that cannot be shown must not take the page with it.
import { Component } from 'preact';
import { t } from '../i18n/index.js';

export class MessageBoundary extends Component {
  static getDerivedStateFromError() {
    return { failed: true };
  }

  render({ children }, { failed }) {
    return failed ? <p class="form-error">{t('message_failed')}</p> : children;
  }
}
