// Sizes, times and numbers in the reader's language.
import { language, t } from '../i18n/index.js';

export function formatSize(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const [value, unit] = bytes < 1024 * 1024 ? [bytes / 1024, 'KB'] : [bytes / 1024 / 1024, 'MB'];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

export const formatNumber = (value) => new Intl.NumberFormat(language.value).format(value);

export const formatDate = (time) => new Intl.DateTimeFormat(language.value, { dateStyle: 'medium' }).format(new Date(time));

export const formatTime = (time) =>
  new Intl.DateTimeFormat(language.value, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time));

const dayNumber = (date) => Math.floor((date.getTime() - date.getTimezoneOffset() * 60000) / 86400000);

/** Under which heading something of this time stands in a list: today, yesterday, this week, a month. */
export function dayGroup(time, now = new Date()) {
  const date = new Date(time);
  const days = dayNumber(now) - dayNumber(date);
  if (days <= 0) return t('today');
  if (days === 1) return t('yesterday');
  if (days < 7) return t('last_7_days');
  return new Intl.DateTimeFormat(language.value, { year: 'numeric', month: 'long' }).format(date);
}
