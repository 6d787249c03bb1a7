// Tokens of the last days, by day and by model.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { usage } from '../api/keys.js';
import { t } from '../i18n/index.js';
import { notifyError } from '../state/notices.js';
import { formatNumber } from '../ui/format.js';
import { DayChart, ModelBars } from './usage_chart.jsx';
import { byDay, byModel, daysUntilToday } from './usage_sums.js';

const PERIODS = [7, 30, 90];

function Total({ label, value }) {
  return <div class="total"><dt>{label}</dt><dd>{formatNumber(value)}</dd></div>;
}

export function UsageSection() {
  const period = useSignal(30);
  const rows = useSignal(null);
  useEffect(() => {
    const days = daysUntilToday(period.value);
    usage(days[0], days.at(-1)).then(({ data }) => { rows.value = data; }, notifyError);
  }, [period.value]);
  if (!rows.value) return null;
  const sum = (field) => rows.value.reduce((total, row) => total + row[field], 0);
  return (
    <>
      <div class="periods" role="group" aria-label={t('period')}>
        {PERIODS.map((days) => (
          <button key={days} type="button" class="button" aria-pressed={period.value === days}
            onClick={() => { period.value = days; }}>
            {t('days', { count: days })}
          </button>
        ))}
      </div>
      <dl class="totals">
        <Total label={t('requests')} value={sum('requests')} />
        <Total label={t('input_tokens')} value={sum('input_tokens')} />
        <Total label={t('output_tokens')} value={sum('output_tokens')} />
      </dl>
      {rows.value.length ? (
        <>
          <h3>{t('by_day')}</h3>
          <DayChart days={byDay(rows.value, daysUntilToday(period.value))} />
          <h3>{t('by_model')}</h3>
          <ModelBars models={byModel(rows.value)} />
          {rows.value.some((row) => row.estimated) && <p class="hint">{t('usage_estimated')}</p>}
        </>
      ) : <p class="muted">{t('no_usage')}</p>}
    </>
  );
}
